/** Short notices at the bottom of the page, which screen readers announce. Some can be undone. */

export interface Notice {
  id: number;
  text: string;
  kind: "info" | "error";
  undo: (() => void) | null;
}

const SHOWN_MS = 5000;

class Notices {
  list = $state.raw<readonly Notice[]>([]);
  #next = 0;

  show(text: string, kind: Notice["kind"] = "info", undo: (() => void) | null = null): number {
    const notice = { id: this.#next++, text, kind, undo };
    this.list = [...this.list.slice(-2), notice];
    setTimeout(() => this.close(notice.id), kind === "error" ? 2 * SHOWN_MS : SHOWN_MS);
    return notice.id;
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();

/** Copy a text, and say so. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notices.show(`Copied ${what}.`);
  } catch {
    notices.show("The browser did not permit copying.", "error");
  }
}
