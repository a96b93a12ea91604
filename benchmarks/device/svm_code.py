"""A one-class SVM as m2cgen and micromlgen write it in C."""

from __future__ import annotations

import numpy as np

from .programs import Program
from .workloads import Data

__all__ = ["VECTORS", "peers"]

VECTORS = 32


def peers(known: Data) -> list[Program]:
    """scikit-learn's OneClassSVM with as many support vectors as offbeat has prototypes, or the fewest above."""
    import m2cgen
    import micromlgen
    from sklearn.svm import OneClassSVM

    train = known.scores / 128
    test = known.test_scores[[0, -1]] / 128  # a healthy window and a faulty one: m2cgen's takes long
    model = OneClassSVM(nu=VECTORS / len(train), gamma=1 / 24).fit(train)
    vectors = len(model.support_vectors_)
    name = f"one-class SVM, {VECTORS}"
    code = m2cgen.export_to_c(model) + "void peer_start(void) {}\n"
    code += "void peer_run(const double *input, float *output) { *output = (float)score((double *)input); }\n"
    decision = model.decision_function(test)[:, None]
    found = [
        Program(
            name, "m2cgen", code, test[-1:].astype("<f8"), decision[-1:], slow=True, note=f"double, {vectors} vectors"
        )
    ]
    code = "#include <stdint.h>\n#include <math.h>\n#define UNUSED(x)\n"
    code += micromlgen.port(model).replace("<cstdarg>", "<stdarg.h>")
    code += 'static Eloquent::ML::Port::OneClassSVM svm;\nextern "C" { void peer_start(void) {}\n'
    code += "void peer_run(const float *input, float *output) { *output = svm.predict((float *)input); } }\n"
    outlier = (decision < 0).astype(np.float64)
    found.append(Program(name, "micromlgen", code, test.astype("<f4"), outlier, plus=True, note=f"{vectors} vectors"))
    return found
