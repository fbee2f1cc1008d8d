"""The shop over HTTP."""

import os
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.models import Customer, Order

app = FastAPI()
engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg:///shop"))


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


DatabaseSession = Annotated[Session, Depends(get_session)]


class NewCustomer(BaseModel):
    name: str


class NewOrder(BaseModel):
    cents: int


@app.post("/customers", status_code=201)
def add_customer(new: NewCustomer, session: DatabaseSession) -> dict[str, int]:
    customer = Customer(name=new.name)
    session.add(customer)
    try:
        session.commit()
    except IntegrityError as error:
        raise HTTPException(409, f"There is a customer {new.name}.") from error
    return {"id": customer.id}


@app.post("/customers/{customer_id}/orders", status_code=201)
def place_order(customer_id: int, new: NewOrder, session: DatabaseSession) -> dict[str, str]:
    if session.get(Customer, customer_id) is None:
        raise HTTPException(404, f"There is no customer {customer_id}.")
    order = Order(customer_id=customer_id, cents=new.cents)
    session.add(order)
    session.commit()
    return {"number": order.number}


@app.get("/customers/{customer_id}/orders")
def list_orders(customer_id: int, session: DatabaseSession) -> list[str]:
    return [order.number for order in session.get_one(Customer, customer_id).orders]
