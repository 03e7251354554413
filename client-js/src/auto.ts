/** `node --import tracestore-client/auto app.js` configures the client from the environment alone. */

import { configure } from "./configure.js";

configure();
