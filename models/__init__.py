"""Small trained models that ship with offbeat."""
