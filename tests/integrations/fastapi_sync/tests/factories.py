"""Customers and orders, out of thin air."""

import factory
from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy.orm import scoped_session, sessionmaker

from shop.models import Customer, Order

# Bound to nothing: pytest.ini names it, and so in each test it is bound to the tests' database.
Session = scoped_session(sessionmaker())


class CustomerFactory(SQLAlchemyModelFactory):
    class Meta:
        model = Customer
        sqlalchemy_session = Session
        sqlalchemy_session_persistence = "commit"

    name = factory.Faker("name")


class OrderFactory(SQLAlchemyModelFactory):
    class Meta:
        model = Order
        sqlalchemy_session = Session
        sqlalchemy_session_persistence = "commit"

    customer = factory.SubFactory(CustomerFactory)
    cents = 1250
