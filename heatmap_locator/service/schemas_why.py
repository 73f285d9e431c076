"""What the API says of why a piece is where, and of what is the matter with it."""

from typing import Literal

from pydantic import BaseModel, Field


class Why(BaseModel):
    """What speaks for a place, in natural logarithms of odds, which add up."""

    print: float = Field(description="by print, of this place against all that were not found")
    sides: float = Field(description="by straight sides and proportions; 0 where they say nothing")
    open: float = Field(
        0.0, description="by the photo of the half-done puzzle; left out where there is none"
    )


class WhyThere(BaseModel):
    """What spoke for a piece in its cell: natural logarithms of likelihood ratios."""

    print: float = Field(description="of the print there, to any cell and turn")
    straight: float = Field(
        description="of its straight sides, or that it has none, and of its proportions"
    )
    neighbours: float = Field(description="of how its sides fit those that they meet, to chance")
    met: int = Field(description="sides that meet a neighbour's")


class PieceProblem(BaseModel):
    """What is the matter with a piece."""

    kind: Literal["twice", "behind", "foreign", "no-cell", "damaged"]
    text: str
    other: str | None = Field(description="the piece that it is the same as")
    cell: list[int] | None = Field(description="where it would fit, turned over")
