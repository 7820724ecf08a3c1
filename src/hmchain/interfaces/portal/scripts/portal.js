// The script of every page: parts that follow the ledger, and what a page needs beyond that.
"use strict";
