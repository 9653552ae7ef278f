#pragma once
// One function a subcommand, one file a function; main.cc only looks the name up. Exit status: 0 done, 1 the answer is
// a failure, 2 usage or input error, 3 temporary.
#include "cmd/cli.h"

namespace sekisho::cmd {

int serve(const Arguments& arguments);
int reload(const Arguments& arguments);
int config(const Arguments& arguments);
int check(const Arguments& arguments);
int spf(const Arguments& arguments);
int senderid(const Arguments& arguments);
int domainkeys(const Arguments& arguments);
int dkim(const Arguments& arguments);
int arc(const Arguments& arguments);
int smime(const Arguments& arguments);
int dmarc(const Arguments& arguments);
int authres(const Arguments& arguments);
int record(const Arguments& arguments);
int srs(const Arguments& arguments);
int graph(const Arguments& arguments);
int init(const Arguments& arguments);
int mediate(const Arguments& arguments);
int trace(const Arguments& arguments);
int ledger(const Arguments& arguments);
int replay(const Arguments& arguments);
int allow(const Arguments& arguments);
int deny(const Arguments& arguments);
int bypass(const Arguments& arguments);
int receipt(const Arguments& arguments);
int doctor(const Arguments& arguments);
int survey(const Arguments& arguments);
int lab(const Arguments& arguments);

}  // namespace sekisho::cmd
