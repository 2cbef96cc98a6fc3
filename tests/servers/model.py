"""A stand-in for a model: says something of what it was asked, always the same, and counts words as tokens."""
import json


def count(text):
    return len(text.split())


def pieces(text, n=3):
    """the text in pieces of so many words; put together they are the text"""
    words = text.split(" ")
    parts = [" ".join(words[i:i + n]) for i in range(0, len(words), n)]
    return [p if i == 0 else " " + p for i, p in enumerate(parts)]


def text_of(content):
    if isinstance(content, str):
        return content
    return "\n\n".join(p.get("text", "") for p in content or [] if isinstance(p, dict) and p.get("text"))


def answer(asked):
    return f"You said “{asked[:200]}”, which has {count(asked)} words.\nIs \"that\" all? \\o/ 😀"


def tokens_of(messages):
    return sum(count(text_of(m.get("content"))) for m in messages)


def arguments():
    return json.dumps({"place": "Århus", "unit": "°C"}, ensure_ascii=False)
