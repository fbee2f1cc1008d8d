import pytest
from factories import AuthorFactory, BookFactory
from httpx2 import AsyncClient

from library.models import Author, Book

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("title", ["Emma", "Persuasion"])
async def test_first_book_makes_the_first_author(async_client: AsyncClient, title: str) -> None:
    response = await async_client.post("/books", json={"title": title, "author": "Jane Austen"})

    assert (response.status_code, response.json()) == (201, {"id": 1})
    assert [author.name for author in await Author.objects.all()] == ["Jane Austen"]


async def test_second_book_is_of_the_same_author(async_client: AsyncClient) -> None:
    book = await BookFactory(author__name="Jane Austen")

    await async_client.post("/books", json={"title": "Emma", "author": "Jane Austen"})

    assert await Author.objects.count() == 1
    assert await Book.objects.filter(author=book.author).count() == 2


async def test_books_of_an_author_are_listed(async_client: AsyncClient) -> None:
    author = await AuthorFactory()
    for title in ("Persuasion", "Emma"):
        await BookFactory(title=title, author=author)
    await BookFactory()

    response = await async_client.get(f"/authors/{author.id}/books")

    assert response.json() == ["Emma", "Persuasion"]


async def test_unknown_author_is_not_found(async_client: AsyncClient) -> None:
    assert (await async_client.get("/authors/1/books")).status_code == 404
