"""Detection on real recordings: every family of offbeat against float originals, under one protocol, in one run."""
