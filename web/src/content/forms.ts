/** The forms in which stored texts are shown. */

export type Form = "markdown" | "plain" | "raw";

export const FORMS: readonly Form[] = ["markdown", "plain", "raw"];

/** The form after another one, around in a circle. */
export const nextForm = (form: Form): Form => FORMS[(FORMS.indexOf(form) + 1) % FORMS.length] as Form;
