"""The topics of the bare round trip: a question, one commit, an answer."""

from typing import Final

from shared.events.topics import Topic

QUESTIONS: Final = Topic("bare.questions.v1", "account number", "the benchmark", ())
ANSWERS: Final = Topic("bare.answers.v1", "account number", "the bare round trip", ())
