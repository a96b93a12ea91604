"""The largest of its members' calibrated tail ranks. Arithmetic: docs/pipeline.md.

Parameter section, 16-bit words: members, count, reduce, gain; then for each member its family's number, words of its
section, words of its room, lines; of each line of its map the score and the rank at which it begins, multiplier,
shift; the member's section, and a zero where its words are odd.
"""

import struct
from array import array

from . import module, scaled

_MOST_SCORE = 32766  # that any family gives
_OWN_ROOM = 3  # words that C keeps: which member counts, its score, the ensemble's


def _check_lines(parameters, at, lines):
    """The map begins at 0 and nowhere falls: no line ends above the start of the next one.

    No rank then exceeds 32767 + 32766 * 32767, which is below 2**30.
    """
    before, reach, slope, bits = -1, 0, 0, 0
    for i in range(lines):
        score, rank, multiplier, shift = struct.unpack_from("<4H", parameters, at + 8 * i)
        if score > _MOST_SCORE or rank > 32767 or multiplier > 32767 or shift > 15:
            return "a line of a member's tail ranks is out of range"
        if i == 0 and (score or rank):
            return "a member's tail ranks do not begin at 0"
        if score <= before:
            return "a member's tail ranks are not in order"
        if reach + (((score - before) * slope) >> bits) > rank:
            return "a member's tail ranks fall"
        before, reach, slope, bits = score, rank, multiplier, shift
    return ""


def _check_member(parameters, at, count):
    """Reason or "", and where the next member begins."""
    if at + 8 > len(parameters):
        return "the ensemble is cut short", at
    number, length, room, lines = struct.unpack_from("<4H", parameters, at)
    at += 8
    end = at + 8 * lines + 2 * (length + length % 2)
    if not 1 <= lines <= 16 or end > len(parameters):
        return "the ensemble is cut short, or a member's number of lines is out of range", at
    reason = _check_lines(parameters, at, lines)
    if reason:
        return reason, at
    if number in (8, 9):
        return "a member of the ensemble is of family %d, which cannot be one" % number, at
    family = module(number)
    if family is None:
        return "a member of the ensemble is of family %d, which this version does not have" % number, at
    section = parameters[at + 8 * lines : at + 8 * lines + 2 * length]
    reason = family.check(section, count)
    if not reason and family.Scorer(section, count).room() != count + room:
        reason = "the room of a member of the ensemble is not what it needs"
    return reason, end


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 8:
        return "the ensemble is cut short"
    members, own, reduce, gain = struct.unpack_from("<4H", parameters, 0)
    if own != count or not 2 <= members <= 3:
        return "the ensemble's number of features or of members is out of range"
    if reduce > 30 or gain > 32767:
        return "the ensemble's scale is out of range"
    at = 8
    for _ in range(members):
        reason, at = _check_member(parameters, at, count)
        if reason:
            return reason
    if at != len(parameters):
        return "the ensemble's parameters have a wrong length"
    return ""


class _Member:
    """A member's scorer and the lines of its map."""

    def __init__(self, parameters, at, count):
        number, length, self.room, lines = struct.unpack_from("<4H", parameters, at)
        at += 8
        self.lines = array("h", bytes(parameters[at : at + 8 * lines]))
        self.last = 4 * lines - 4
        at += 8 * lines
        self.end = at + 2 * (length + length % 2)
        self.scorer = module(number).Scorer(parameters[at : at + 2 * length], count)

    def rank(self, score):
        lines = self.lines
        at = self.last
        while score < lines[at]:
            at -= 4
        return lines[at + 1] + (((score - lines[at]) * lines[at + 2]) >> lines[at + 3])


class Scorer:
    """Scores standardized features.

    All members use the same room behind them, one after the other, and explain() scores once more with the one that
    counts. In C, where that would be every window's work, their rooms lie side by side, which is why room() adds them.
    """

    def __init__(self, parameters, count):
        members, _, self.reduce, self.gain = struct.unpack_from("<4H", parameters, 0)
        self.count = count
        self.members = []
        self.words = count + _OWN_ROOM
        at = 8
        for _ in range(members):
            member = _Member(parameters, at, count)
            self.members.append(member)
            self.words += member.room
            at = member.end
        self.first = self.members[0]
        self.own = 0
        self.total = 0

    def room(self):
        """Words that the vector needs."""
        return self.words

    def score(self, vector):
        """Score of the standardized features vector[:count]; the first of equally rare members counts."""
        best = -1
        for member in self.members:
            own = member.scorer.score(vector)
            rank = member.rank(own)
            if rank > best:
                best = rank
                self.own = own
                self.first = member
        self.total = scaled(best, self.reduce, self.gain)
        return self.total

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        first = self.first
        for i in range(self.count, self.count + first.room):  # as a member on its own would find it
            vector[i] = 0
        first.scorer.score(vector)
        first.scorer.explain(vector)

    def contribution(self, vector, j):
        """What feature j adds to the score; negative where it takes away."""
        own = self.own
        if own == 0:
            return 0
        part = self.first.scorer.contribution(vector, j)
        size = (min(abs(part), _MOST_SCORE) * self.total + (own >> 1)) // own
        size = min(size, _MOST_SCORE)
        return -size if part < 0 else size
