"""The actions of a seller's browser: the shape of each payload, and of each good answer.

The JSON schemas in ``docs/protocol.md`` are made from these models. A payload is made with
them, so it has their shape. An answer may hold more than its model names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema

MAX_PER_PAGE = 96

Id = Annotated[str, Field(min_length=1, max_length=255)] | int


class Payload(BaseModel):
    """The data that is sent: exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerData(BaseModel):
    """The data that comes back: at least these fields."""

    model_config = ConfigDict(extra="allow", strict=True)


class PageWanted(Payload):
    """One page of the shop's list, the newest first; pages are counted from 1."""

    shop_id: str
    page: int = Field(ge=1)
    per_page: int = Field(ge=1, le=MAX_PER_PAGE)


class ProductSent(Payload):
    """A product; `images` are URLs that the browser can fetch, in the order to be shown."""

    sku: str
    title: str
    description: str
    price: str
    currency: str | None
    quantity: int
    brand: str | None
    condition: str | None
    category: str | None
    size: str | None
    color: str | None
    images: list[str] = Field(min_length=1)
    attributes: dict[str, Any]


class Publish(Payload):
    """Put one product on sale; `reference` is the same whenever this is tried again."""

    shop_id: str
    reference: str
    product: ProductSent


class Update(Payload):
    """Change an item on sale, so that it says what the product says."""

    shop_id: str
    item_id: str
    reference: str
    product: ProductSent


class Delete(Payload):
    """Take an item off sale."""

    shop_id: str
    item_id: str
    reference: str


class Message(Payload):
    """Write to the buyer of a conversation."""

    shop_id: str
    conversation_id: str
    reference: str
    text: str = Field(min_length=1)


class ApiCall(Payload):
    """A request to Vinted itself, with the seller's session."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    endpoint: str = Field(pattern="^/")
    data: dict[str, Any] | None


class Account(AnswerData):
    """The account that is logged in."""

    id: Id


class Money(AnswerData):
    """An amount, in Vinted's own shape."""

    amount: str | int | float
    currency_code: str


class Photo(AnswerData):
    """A picture of an item, by one address at least; `full_size_url` goes before `url`."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {name: {"type": "string"}}, "required": [name]}
                for name in ("full_size_url", "url")
            ]
        }
    )

    full_size_url: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.full_size_url is None and self.url is None:
            raise ValueError("a photo needs full_size_url or url")
        return self


class Seller(AnswerData):
    """The seller of an item."""

    id: Id | None = None


class Named(AnswerData):
    """A thing that is named by its title."""

    title: str | int | None = None


Words = Named | str | int | None


class Item(AnswerData):
    """An item on sale.

    `reference` is that of the VINTED_PUBLISH which made it, where the browser plugin knows it.
    """

    id: Id
    user: Seller | None = None
    user_id: Id | None = None
    title: str | None = None
    description: str | None = None
    price: Money | str | int | float | None = None
    currency: str | None = None
    brand: Words = None
    brand_title: Words = None
    condition: Words = None
    status: Words = None
    category: Words = None
    catalog_id: Words = None
    size: Words = None
    size_title: Words = None
    color: Words = None
    color1: Words = None
    url: str | None = None
    reference: str | None = None
    photos: list[Photo] | None = None


class Pagination(AnswerData):
    """The place of a page in its list."""

    current_page: int = Field(ge=0)
    total_pages: int = Field(ge=0)
    total_entries: int | None = Field(default=None, ge=0)


class WardrobePage(AnswerData):
    """One page of the items on sale."""

    account: Account | None = None
    items: list[Item]
    pagination: Pagination


class SyncSummary(AnswerData):
    """The answer of older browser plugins, which walk through all pages by themselves."""

    imported: int = Field(ge=0)
    updated: int = Field(ge=0)
    errors: int = Field(ge=0)


class Published(AnswerData):
    """The item that was made."""

    item: Item


class Done(AnswerData):
    """The answer to an action that was done; nothing more is asked for."""


class Person(AnswerData):
    """Somebody else on Vinted."""

    id: Id | None = None
    login: str | None = None


class SoldItem(AnswerData):
    """An item in an order."""

    id: Id
    title: str | None = None


class Order(AnswerData):
    """A sale."""

    id: Id
    status: str | None = None
    buyer: Person | None = None
    price: Money | None = None
    ordered_at: str | None = Field(default=None, description="ISO 8601")
    items: list[SoldItem] = []


class OrdersPage(AnswerData):
    """One page of the sales, the newest first."""

    account: Account | None = None
    orders: list[Order]
    pagination: Pagination


class Said(AnswerData):
    """A message of a conversation."""

    id: Id
    text: str
    from_seller: bool
    reference: str | None = None
    sent_at: str | None = None


class Sent(AnswerData):
    """The message that was written."""

    message: Said


class Conversation(AnswerData):
    """The messages of a buyer and the seller, in any order."""

    id: Id
    buyer: Person | None = None
    messages: list[Said]


class ConversationFound(AnswerData):
    """The answer to `GET /conversations/<id>`."""

    conversation: Conversation


class ItemFound(AnswerData):
    """The answer to `GET /items/<id>`: everything that Vinted says of the item."""

    item: Item


@dataclass(frozen=True, slots=True)
class ActionShapes:
    """One action: what is sent, and the good answers to it."""

    payload: type[Payload]
    answers: tuple[type[AnswerData], ...]

    def is_payload(self, value: object) -> None:
        """Check what a browser was sent.

        Raises:
            pydantic.ValidationError: it has another shape.
        """
        self.payload.model_validate(value)

    def is_answer(self, value: object) -> None:
        """Check the ``data`` of a good answer.

        Raises:
            pydantic.ValidationError: it has none of the shapes.
        """
        shape: Any = self.answers[0]
        for other in self.answers[1:]:
            shape |= other
        TypeAdapter(shape).validate_python(value)


PROTOCOL: Mapping[str, ActionShapes] = {
    "VINTED_PUBLISH": ActionShapes(Publish, (Published,)),
    "VINTED_UPDATE": ActionShapes(Update, (Done,)),
    "VINTED_DELETE": ActionShapes(Delete, (Done,)),
    "VINTED_SYNC": ActionShapes(PageWanted, (WardrobePage, SyncSummary)),
    "VINTED_GET_WARDROBE": ActionShapes(PageWanted, (WardrobePage,)),
    "VINTED_ORDERS": ActionShapes(PageWanted, (OrdersPage,)),
    "VINTED_MESSAGE": ActionShapes(Message, (Sent,)),
    "VINTED_API_CALL": ActionShapes(ApiCall, (ItemFound, ConversationFound)),
}


class _Plain(GenerateJsonSchema):
    """Makes schemas without titles, which only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def json_schema() -> JsonSchemaValue:
    """Return one JSON schema document; its ``$defs`` hold the shapes by the names used here."""
    models = [model for one in PROTOCOL.values() for model in (one.payload, *one.answers)]
    _, document = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)],
        schema_generator=_Plain,
    )
    shapes = {name: _terse(shape) for name, shape in document["$defs"].items()}
    for shape in shapes.values():
        shape.pop("title", None)
    return {"$defs": shapes}


def _terse(schema: Any) -> Any:
    """Return the schema without entries that repeat a default of JSON Schema."""
    if isinstance(schema, list):
        return [_terse(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    unsaid = {"additionalProperties": True, "default": None}
    return {
        name: _terse(value)
        for name, value in schema.items()
        if name not in unsaid or value != unsaid[name]
    }
