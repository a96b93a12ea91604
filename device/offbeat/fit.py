"""Whether a model fits a sensor, and what its features and alarms are called: one source for the board and the host."""

from . import modelfile


def misfit(model, source):
    """Why this model cannot run on this source, as one word; empty when it can."""
    if model.channels != len(source.channels):
        return "channels"
    if not fits_rate(model.rate_millihertz, source.rate_millihertz):
        return "rate"
    for ours, theirs in zip(model.meta.get("scales", "").split(","), source.scales):
        if ours and theirs and not _within_a_percent(ours, theirs):
            return "range"
    sensor = model.meta.get("sensor", "")
    if sensor and source.sensor and sensor != source.sensor:
        return "sensor"
    return ""


def fits_rate(rate, sensor_rate):
    """Whether a sensor's rate is within 2 % of the model's, both in the same unit."""
    return abs(rate - sensor_rate) * 50 <= rate


def _within_a_percent(ours, theirs):
    try:
        return abs(float(ours) - float(theirs)) * 100 <= abs(float(theirs))
    except ValueError:  # a model's meta is anybody's text
        return False


def feature_names(model):
    """Names of a model's features as a person reads them, for instance x.rms."""
    channels = model.meta.get("channels", "").split(",")
    names = []
    for kind, channel, first, bins in model.features:
        name = channels[channel] if channel < len(channels) else str(channel)
        name += "." + KINDS[kind]
        if kind == modelfile.BAND:
            name += "%d-%d" % (first, first + bins - 1)
        elif kind == modelfile.CHANGE:
            name += str(first)
        elif kind == modelfile.CORRELATION:
            name += "(%s)" % (channels[first] if first < len(channels) else str(first))
        names.append(name)
    return names


def reason_names(model):
    """What an alarm names for each feature: the feature, or the channel that never moved in training."""
    channels = model.meta.get("channels", "").split(",")
    names = feature_names(model)
    for j in range(len(names)):
        unseen = model.unseen_channel(j)
        if unseen >= 0:
            names[j] = "unseen channel " + (channels[unseen] if unseen < len(channels) else str(unseen))
    return names


KINDS = (
    "mean", "rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings", "band",
    "correlation", "change",
)  # fmt: skip
