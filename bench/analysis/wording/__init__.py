"""What tables, captions and sentences say: names, notes, numbers in words, a user's own wishes."""
