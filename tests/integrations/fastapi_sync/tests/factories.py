"""Customers and orders, out of thin air."""

import factory
from factory.alchemy import SQLAlchemyModelFactory

from alembic_assay import current_session
from shop.models import Customer, Order


class CustomerFactory(SQLAlchemyModelFactory):
    class Meta:
        model = Customer
        sqlalchemy_session_factory = current_session
        sqlalchemy_session_persistence = "commit"

    name = factory.Faker("name")


class OrderFactory(SQLAlchemyModelFactory):
    class Meta:
        model = Order
        sqlalchemy_session_factory = current_session
        sqlalchemy_session_persistence = "commit"

    customer = factory.SubFactory(CustomerFactory)
    cents = 1250
