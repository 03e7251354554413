import "./app.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./auth/start.ts";

await start();
mount(App, { target: document.getElementById("page") as HTMLElement });
