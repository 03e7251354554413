import "./app.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./auth/start.ts";
import { restyle } from "./lib/load.ts";

restyle();
await start();
const target = document.getElementById("page") as HTMLElement;
target.replaceChildren(); // the sentence for the case that this script does not arrive
mount(App, { target });
