"""The application: it makes one lesson and shows it."""

from lessons import generate


def main() -> None:
    """Make the lesson."""
    lesson = generate("lesson-rivers", "rivers")
    print(f"{lesson['title']}: {lesson['text']}")


if __name__ == "__main__":
    main()
