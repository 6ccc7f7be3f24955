"""What follows from what we know: frames in, frames out, nothing else touched."""
