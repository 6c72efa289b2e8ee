// SPDX-License-Identifier: GPL-3.0-or-later
// A part of the drill's application without a page. It ends by itself when it finds /run/shop/end-NAME, and takes that with it.
const fs = require("fs");

const END = `/run/shop/end-${process.env.name}`;
setInterval(() => {
  if (fs.existsSync(END)) {
    fs.rmSync(END, {force: true});
    process.exit(0);
  }
}, 200);
