#pragma once
// `sekisho METHOD show NAME`: one family. A sheet says which lines one can type oneself, what the DNS answered, what
// each part of the record means, costs and would be when left out, what is wrong with it by which sentence, and on
// which evidence the method rests. Words and problems are rows of show.def.
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/task.h"
#include "base/dns/dns.h"
#include "cmd/cli.h"
#include "cmd/present.h"
#include "mail/address/address.h"
#include "road/finding/finding.h"

namespace sekisho::cmd {

struct ShownRow {
  std::string tag, value;           // value: as it stands in the record, or the default
  bool is_default = false;          // the tag is not there
  std::optional<unsigned> lookups;  // where terms cost some
  road::Text meaning;
};
// One question to the DNS and its answer, decoded.
struct ShownSection {
  std::string name;  // asked for TXT; checked, so that its line can be typed into a shell
  dns::Code code = dns::Code::kNoData;
  std::vector<std::string> answers;
  std::string record;  // which of the answers is decoded; empty: none
  std::string note;    // why it is asked: "include:b.example", "i=1 seal"
  unsigned depth = 0;
  std::vector<ShownRow> rows;
};
struct ShownProblem {
  std::string_view code, rfc;
  road::Text text;
};
struct Sheet {
  // The later word is the worse one: what a reader must know first.
  enum class Status : unsigned char { kRecord, kNone, kInvalid, kTemporary } status = Status::kRecord;
  Evidence evidence = Evidence::kNone;
  std::vector<ShownSection> sections;
  std::vector<ShownProblem> problems;
  std::vector<road::Text> remarks;  // facts about the whole
  boost::json::object more;         // members of the document that only one method has

  ShownSection& ask(std::string name, const dns::Answer& answer);
  // By show.def; one that is temporary or invalid also decides the status, the worse one stays.
  void problem(std::string_view code, std::string_view about, Status status = Status::kRecord);
};
// The meaning in show.def; value "" asks for the meaning of a tag that is not there.
road::Text meaning(std::string_view family, std::string_view tag, std::string_view value);
// "name=value" parts by ';', as lenient as people need: no part is lost.
std::vector<std::pair<std::string, std::string>> split_tags(std::string_view record);

struct Asked {
  std::string name, selector, mail, config, psl_file;
  std::int64_t now = 0;
  bool pra_uses_spf1 = false;  // these two as the config has them
  dmarc::Method method = dmarc::Method::kTree;
};
// Fills the sheet. domain: of NAME; with --mail it means nothing. A text in return is a usage error.
using Decode = core::Task<std::string> (*)(const Asked&, const mail::Domain&, dns::Resolver&, Sheet&);
// The whole command: options, resolver, answer, exit status. Asks for --selector and --mail only where they say
// something.
struct ShowCommand {
  std::string method, description, examples;
  bool selector = false, mail = false, psl = false;
  Decode decode = nullptr;
};
int run_show(const ShowCommand& command, const Arguments& arguments);
bool wants_show(const Arguments& arguments);  // the verb is show

int show_spf(const Arguments& arguments);
int show_senderid(const Arguments& arguments);
int show_dkim(const Arguments& arguments);
int show_domainkeys(const Arguments& arguments);
int show_arc(const Arguments& arguments);
int show_dmarc(const Arguments& arguments);

// The record of a signing key, asked and decoded; shared by dkim, domainkeys and arc.
core::Task<void> show_key(std::string key_name, std::string_view method, std::string note, dns::Resolver& resolver,
                          Sheet& sheet);

}  // namespace sekisho::cmd
