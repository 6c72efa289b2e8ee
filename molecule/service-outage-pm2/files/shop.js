// SPDX-License-Identifier: GPL-3.0-or-later
// The drill's application: a health page, which is 503 for as long as /run/shop/sick is there. A start ends it, as it does with a pool of
// dead connections.
const fs = require("fs");
const http = require("http");

const SICK = "/run/shop/sick";
fs.rmSync(SICK, {force: true});
const server = http.createServer((asked, answer) => {
  const sick = fs.existsSync(SICK);
  answer.writeHead(sick ? 503 : 200, {"Content-Type": "text/plain"});
  answer.end(sick ? "sick\n" : "well\n");
});
server.listen(8080, "0.0.0.0");
process.on("SIGINT", () => server.close(() => process.exit(0)));
