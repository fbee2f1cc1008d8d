"""Authors and books: ``await BookFactory()``."""

import inspect
from typing import Any

import factory
import ormar

from library.models import Author, Book


class OrmarFactory(factory.Factory):
    class Meta:
        abstract = True

    @classmethod
    async def _create(cls, model_class: type[ormar.Model], **values: Any) -> ormar.Model:
        for name, value in values.items():
            if inspect.isawaitable(value):  # of a SubFactory
                values[name] = await value
        return await model_class.objects.create(**values)


class AuthorFactory(OrmarFactory):
    class Meta:
        model = Author

    name = factory.Sequence("Author {}".format)


class BookFactory(OrmarFactory):
    class Meta:
        model = Book

    title = factory.Sequence("Book {}".format)
    author = factory.SubFactory(AuthorFactory)
