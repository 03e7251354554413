"""The application: it generates one lesson and prints it."""

from lessons import generate


def main() -> None:
    """Generate the lesson and print it."""
    lesson = generate("lesson-rivers", "rivers")
    print(f"{lesson['title']}: {lesson['text']}")


if __name__ == "__main__":
    main()
