"""Speed on the host: training on a day of vibration, beside the same features in float code and a PyOD detector."""
