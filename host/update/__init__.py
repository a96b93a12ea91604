"""New models for boards in the field: keys, signatures, what is sent, and how it comes into service.

See ``docs/updates.md``.
"""
