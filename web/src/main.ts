import "./app.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./auth/start.ts";

// A deployment replaces the files of the page: one that is loaded later may be gone. The new page has it.
addEventListener("vite:preloadError", (event) => {
  event.preventDefault();
  location.reload();
});

await start();
mount(App, { target: document.getElementById("page") as HTMLElement });
