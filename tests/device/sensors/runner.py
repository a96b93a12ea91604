"""Runs the checks of a module, and prints name and traceback (empty: passed) of each as a line of JSON.

micropython runner.py tests.device.sensors.check_accelerometers [NAME...]
"""

import io
import json
import sys


def main(name, wanted):
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    for check in sorted(dir(module)):
        if not check.startswith("check_") or (wanted and check not in wanted):
            continue
        text = io.StringIO()
        try:
            getattr(module, check)()
        except Exception as error:
            sys.print_exception(error, text)
        print(json.dumps([check, text.getvalue()]))


main(sys.argv[1], sys.argv[2:])
