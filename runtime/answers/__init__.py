"""Reads answers: refusals in a marketplace's words, limits, and the changes that follow. Pure.

A marketplace's record names readers: ``read_refusal``, ``read_answer`` and ``limit_inquiry`` of
:class:`runtime.Marketplace`. The types that they take and return, and their parts, are here.
"""

from runtime.answers.error_answers import ReadRefusal, Refusal, unreadable
from runtime.answers.limit_signals import (
    Announced,
    LimitHeaders,
    LimitInquiry,
    ReadAnswer,
    Signals,
    read_answer,
)
from runtime.answers.retry_after import bounded, reset_at, retry_after
from runtime.rate_limits.closures import ClosureKind
from runtime.runs.account_trouble import AccountWords
from runtime.runs.answer import Answer, json_number

__all__ = [
    "AccountWords",
    "Announced",
    "Answer",
    "ClosureKind",
    "LimitHeaders",
    "LimitInquiry",
    "ReadAnswer",
    "ReadRefusal",
    "Refusal",
    "Signals",
    "bounded",
    "json_number",
    "read_answer",
    "reset_at",
    "retry_after",
    "unreadable",
]
