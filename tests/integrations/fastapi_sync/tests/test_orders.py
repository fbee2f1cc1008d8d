import pytest
from factories import CustomerFactory, OrderFactory
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.models import Customer, Order


def test_order_is_kept_with_its_customer(client: TestClient, db_session: Session) -> None:
    customer = CustomerFactory(name="Ada")

    response = client.post(f"/customers/{customer.id}/orders", json={"cents": 1999})

    assert response.status_code == 201
    order = db_session.scalars(select(Order)).one()
    assert (order.customer.name, order.cents) == ("Ada", 1999)


@pytest.mark.assay(reset_sequences=True)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_numbers_of_orders_begin_anew(client: TestClient, count: int) -> None:
    customer = CustomerFactory()
    OrderFactory.create_batch(count, customer=customer)

    numbers = client.get(f"/customers/{customer.id}/orders").json()

    assert numbers == ["O-00001", "O-00002", "O-00003"][:count]


@pytest.mark.assay(reset_sequences=True)
def test_customers_are_counted_from_behind_those_of_the_migrations(client: TestClient) -> None:
    response = client.post("/customers", json={"name": "Ada"})

    assert response.json() == {"id": 2}


def test_second_customer_of_a_name_is_refused(client: TestClient, db_session: Session) -> None:
    CustomerFactory(name="Ada")

    response = client.post("/customers", json={"name": "Ada"})

    assert response.status_code == 409
    assert db_session.scalar(select(func.count(Customer.id))) == 2


def test_order_of_nobody_is_refused(client: TestClient, db_session: Session) -> None:
    response = client.post("/customers/999/orders", json={"cents": 1})

    assert response.status_code == 404
    assert db_session.scalars(select(Order)).all() == []
