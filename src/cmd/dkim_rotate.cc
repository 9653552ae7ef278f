#include "cmd/dkim_rotate.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/signing_settings.h"
#include "cmd/tables.h"
#include "road/identity/signing/rotation.h"

namespace sekisho::cmd {

namespace {

using signing::Published;
using signing::Rotation;
using signing::Stage;

constexpr std::int64_t kOverlapDayS = 86'400;

struct Said {
  std::string en, ja;
};

// A record to publish, or to look at.
struct ShownRecord {
  mail::Domain name;
  std::string value, stage;
  std::int64_t since_s = 0;
  std::optional<signing::Publication> published;  // when the DNS was asked
};

// What became of one row.
struct Outcome {
  const SigningRow* row;
  std::string step;  // made waiting switched overlap retired idle status failed
  int status = 0;
  std::vector<ShownRecord> records;
  std::vector<Said> said;
  std::int64_t overlap_until_s = 0;
};

// The rows of the config that are meant, and what is asked of the DNS for them.
class Rotator {
 public:
  Rotator(const RotateOptions& options, const config::Values& values, const std::vector<SigningRow>& all)
      : options_(options), values_(values), all_(all) {
    const auto days = options.overlap_days < 0 ? values.number("signing.overlap_days") : options.overlap_days;
    overlap_s_ = days * kOverlapDayS;
  }

  Outcome run(const SigningRow& row) {
    out_ = Outcome{&row, "idle"};
    const auto done = options_.only_status ? show(row) : go_on(row);
    if (done) return std::move(out_);
    out_.step = "failed";
    out_.status = 2;
    say(done.error(), "失敗しました: " + done.error());
    return std::move(out_);
  }

 private:
  using Done = core::Result<void, std::string>;

  void say(std::string en, std::string ja) { out_.said.push_back({std::move(en), std::move(ja)}); }

  Done go_on(const SigningRow& row) {
    auto opened = Rotation::open(row.folder, row.domain);
    if (!opened) return core::error(opened.error());
    Rotation& rotation = *opened;
    const auto adopted = adopt(row, rotation);
    if (!adopted) return adopted;
    if (rotation.state().find(Stage::kWaiting)) return wait(rotation);
    if (rotation.state().find(Stage::kOverlap)) return end_overlap(rotation);
    if (!options_.only_continue) return begin(rotation);
    say("nothing is under way", "進行中の交換はありません");
    return {};
  }

  Done adopt(const SigningRow& row, Rotation& rotation) {
    if (rotation.state().find(Stage::kSigning) || row.selector.empty() || rotation.state().find(row.selector))
      return {};
    const auto file = signing::read_key_file(row.key_file);
    if (!file) return core::error(file.error());
    const auto done = rotation.adopt(row.selector, file->key, options_.now_s);
    if (done)
      say(row.key_file + " was copied to " + row.folder + " as the key to begin with",
          row.key_file + " を最初の鍵として " + row.folder + " に複製しました");
    return done;
  }

  // Algorithm and date, then a letter; no other row of the domain may have it.
  std::optional<std::string> free_selector(const Rotation& rotation, signature::KeyType type) const {
    const auto taken = [&](const std::string& selector) {
      return std::any_of(all_.begin(), all_.end(), [&](const SigningRow& other) {
        if (other.domain != rotation.state().domain) return false;
        const auto state = other.folder.empty() ? core::Result<std::optional<signing::RotationState>, std::string>(
                                                      std::optional<signing::RotationState>())
                                                : signing::read_rotation(other.folder);
        return other.selector == selector || (state && *state && (*state)->find(selector));
      });
    };
    const auto usable = [&](const std::string& selector) { return rotation.is_free(selector) && !taken(selector); };
    if (!options_.selector.empty()) {
      const std::string wanted = core::to_lower(options_.selector);
      return usable(wanted) ? std::optional(wanted) : std::nullopt;
    }
    const std::string base = (type == signature::KeyType::kRsa ? "r" : "e") + utc_text(options_.now_s, "%Y%m%d");
    if (usable(base)) return base;
    for (char letter = 'b'; letter <= 'z'; ++letter)
      if (usable(base + letter)) return base + letter;
    return {};
  }

  signature::KeyType wanted_type(const Rotation& rotation) const {
    if (!options_.algorithm.empty())
      return options_.algorithm == "ed25519-sha256" ? signature::KeyType::kEd25519 : signature::KeyType::kRsa;
    const auto* signs = rotation.state().find(Stage::kSigning);
    const auto file = signs ? signing::read_key_file(signing::key_path(out_.row->folder, signs->selector))
                            : core::Result<signing::KeyFile, std::string>(core::error(std::string()));
    return file ? file->key.type() : signature::KeyType::kRsa;
  }

  Done begin(Rotation& rotation) {
    const auto type = wanted_type(rotation);
    if (type != signature::KeyType::kRsa && out_.row->domainkeys)
      return core::error("this row makes domainkeys signatures, which need an RSA key: --algorithm rsa-sha256");
    const auto selector = free_selector(rotation, type);
    if (!selector)
      return core::error(options_.selector.empty()
                             ? "26 selectors of today are taken: name one with --selector"
                             : "--selector " + core::printable(options_.selector) +
                                   ": cannot be a selector, or a key of this domain has or had it; take another");
    const auto begun = rotation.begin(*selector, options_.now_s);
    if (!begun) return begun;
    return wait(rotation);
  }

  core::Result<signing::Publication, std::string> ask(const signature::PrivateKey& key, const mail::Domain& name) {
    auto resolver = make_resolver(values_, options_.zone, options_.resolver);
    if (!resolver) return core::error(resolver.error());
    core::Budget budget;
    return io::run(signing::find_published(key, name, **resolver, budget));
  }

  Done wait(Rotation& rotation) {
    const auto key = rotation.waiting_key(wanted_type(rotation), static_cast<unsigned>(options_.rsa_bits));
    if (!key) return core::error(key.error());
    const std::string selector = rotation.state().find(Stage::kWaiting)->selector;
    const auto name = *signing::record_name(selector, out_.row->domain);
    const auto published = ask(*key, name);
    if (!published) return core::error(published.error());
    out_.records.push_back(
        {name, key->record(), "waiting", rotation.state().find(Stage::kWaiting)->since_s, *published});
    if (published->state != Published::kMatches) return not_yet(selector, *published);
    if (published->testing)
      say("the record says t=y: verifiers treat the mail as unsigned until that is taken out",
          "レコードに t=y があります。外すまで、検証側は署名のないメールとして扱います");
    const auto* before = rotation.state().find(Stage::kSigning);
    const std::string old = before ? before->selector : "";
    const auto switched = rotation.switch_over(options_.now_s);
    if (!switched) return switched;
    out_.step = "switched";
    out_.records.back().stage = "signing";
    say(selector +
            " is published and signs from now on; a running serve takes it at its next reload: do that before the "
            "overlap ends",
        selector +
            " の公開を確認し、署名に使い始めました。動作中の serve は次の reload "
            "で読み込みます。公開期間が終わる前に行ってください");
    return old.empty() ? Done() : end_overlap(rotation);
  }

  Done not_yet(const std::string& selector, const signing::Publication& seen) {
    out_.step = "waiting";
    const bool other = seen.state == Published::kDiffers || seen.state == Published::kRevoked;
    out_.status = other ? 1 : 3;
    say((other ? "the DNS shows another record for " : "publish the record for ") + selector + " (seen: " + seen.seen +
            "); signing does not change until it is there: run this again",
        (other ? "DNS に別のレコードがあります: " : "次のレコードを公開してください: ") + selector +
            "(現在: " + seen.seen + ")。確認できるまで署名は変わりません。公開後に再実行してください");
    return {};
  }

  Done end_overlap(Rotation& rotation) {
    std::vector<signing::KeyEntry> old;
    for (const auto& key : rotation.state().keys)
      if (key.stage == Stage::kOverlap) old.push_back(key);
    for (const auto& key : old) {
      const std::int64_t until_s = key.since_s + overlap_s_;
      const auto name = *signing::record_name(key.selector, out_.row->domain);
      if (options_.now_s < until_s) {
        if (out_.step == "idle") out_.step = "overlap";
        out_.overlap_until_s = std::max(out_.overlap_until_s, until_s);
        say("leave the record of " + key.selector + " published until " + utc_text(until_s) + ", then run this again",
            key.selector + " のレコードは " + utc_text(until_s) + " まで公開したままにし、その後に再実行してください");
        continue;
      }
      const auto retired = rotation.retire(key.selector, options_.now_s);
      if (!retired) return retired;
      if (out_.step != "switched") out_.step = "retired";
      out_.records.push_back({name, std::string(signing::kRevokedRecord), "retired", options_.now_s, {}});
      say(key.selector + " is retired, its key lies in " + out_.row->folder + "/retired; publish the empty record",
          key.selector + " を引退させ、鍵を " + out_.row->folder +
              "/retired に移しました。空のレコードを公開してください");
    }
    return {};
  }

  Done show(const SigningRow& row) {
    out_.step = "status";
    const auto state = signing::read_rotation(row.folder);
    if (!state) return core::error(state.error());
    if (!*state) {
      say("no change of keys has begun here", "鍵の交換はまだ始まっていません");
      return {};
    }
    for (const auto& key : (*state)->keys) {
      const auto name = *signing::record_name(key.selector, row.domain);
      ShownRecord record{name, std::string(signing::kRevokedRecord), std::string(word(key.stage)), key.since_s, {}};
      const std::string folder = row.folder + (key.stage == Stage::kRetired ? "/retired" : "");
      const auto file = signing::read_key_file(signing::key_path(folder, key.selector));
      if (file) {
        const auto published = ask(file->key, name);
        if (!published) return core::error(published.error());
        record.published = *published;
        if (key.stage != Stage::kRetired) record.value = file->key.record();
      } else {
        say(file.error(), "鍵を読めません: " + file.error());
      }
      if (key.stage == Stage::kOverlap) out_.overlap_until_s = std::max(out_.overlap_until_s, key.since_s + overlap_s_);
      out_.records.push_back(std::move(record));
    }
    return {};
  }

  const RotateOptions& options_;
  const config::Values& values_;
  const std::vector<SigningRow>& all_;
  std::int64_t overlap_s_ = 0;
  Outcome out_{nullptr};
};

std::string record_dig_line(const mail::Domain& name) { return "dig +short TXT " + name.text(); }

boost::json::object record_json(const ShownRecord& r) {
  boost::json::object out{{"name", r.name.text()},
                          {"type", "TXT"},
                          {"value", r.value},
                          {"zone_line", signing::record_line(r.name, r.value)},
                          {"dig", record_dig_line(r.name)},
                          {"stage", r.stage},
                          {"since_s", r.since_s},
                          {"published", nullptr},
                          {"seen", nullptr}};
  if (r.published) {
    out["published"] = signing::word(r.published->state);
    out["seen"] = utf8(r.published->seen);
  }
  return out;
}

boost::json::object outcome_json(const Outcome& o) {
  boost::json::array records, said;
  for (const auto& record : o.records) records.push_back(record_json(record));
  for (const auto& text : o.said) said.push_back({{"en", utf8(text.en)}, {"ja", utf8(text.ja)}});
  return {{"domain", o.row->domain.text()},
          {"user", utf8(o.row->user)},
          {"key_folder", utf8(o.row->folder)},
          {"step", o.step},
          {"status", o.status},
          {"records", std::move(records)},
          {"overlap_until_s", o.overlap_until_s ? boost::json::value(o.overlap_until_s) : boost::json::value(nullptr)},
          {"text", std::move(said)}};
}

void print_outcome(const Outcome& o) {
  std::printf("%s%s%s  %s\n", o.row->user.c_str(), o.row->user.empty() ? "" : "@", o.row->domain.text().c_str(),
              o.step.c_str());
  for (const auto& r : o.records) {
    std::printf("  %s  %s since %s%s%s\n", r.name.text().c_str(), r.stage.c_str(), utc_text(r.since_s).c_str(),
                r.published ? ", in the DNS: " : "",
                r.published ? std::string(signing::word(r.published->state)).c_str() : "");
    std::printf("    %s\n    %s\n", signing::record_line(r.name, r.value).c_str(), record_dig_line(r.name).c_str());
  }
  for (const auto& text : o.said) std::printf("  %s\n  %s\n", utf8(text.en).c_str(), utf8(text.ja).c_str());
}

// 2 before 1 before 3 before 0: what is broken, what is wrong, what only has to wait.
int worse(int a, int b) {
  const auto weight = [](int status) { return status == 2 ? 3 : status == 1 ? 2 : status == 3 ? 1 : 0; };
  return weight(a) >= weight(b) ? a : b;
}

bool is_meant(const RotateOptions& o, const SigningRow& row) {
  if (row.folder.empty()) return false;
  const auto domain = mail::Domain::parse(o.domain);
  return (o.domain.empty() || domain == row.domain) && (o.user.empty() || core::iequals(o.user, row.user));
}

}  // namespace

int rotate(const Cli& cli, const RotateOptions& o) {
  if (o.config.empty()) return cli.usage_error("rotate needs -c FILE, the config with [[signing_key]]");
  if (o.algorithm == "rsa-sha1") return cli.usage_error("--algorithm rsa-sha1: RFC 8301 forbids to sign with it");
  if (!o.domain.empty() && !mail::Domain::parse(o.domain))
    return cli.usage_error("--domain: '" + core::printable(o.domain) + "' is not a domain name");
  if (o.only_continue && o.only_status) return cli.usage_error("--continue and --status do not go together");
  const auto values = config::load(o.config, option_table());
  std::vector<config::Problem> problems;
  if (!values) problems = values.error();
  const auto rows = values ? signing_rows(*values, problems) : std::vector<SigningRow>();
  tell_problems(problems);
  if (!problems.empty()) return 2;
  std::vector<const SigningRow*> meant;
  for (const auto& row : rows)
    if (is_meant(o, row)) meant.push_back(&row);
  if (meant.empty())
    return cli.usage_error(o.config +
                           ": no [[signing_key]] with key_folder is meant; add key_folder = \"...\" to the row"
                           " whose keys shall change");
  if (!o.selector.empty() && meant.size() > 1)
    return cli.usage_error("--selector is for one key, " + std::to_string(meant.size()) +
                           " are meant: choose with --domain and --user");
  Rotator rotator(o, *values, rows);
  int status = 0;
  boost::json::array all;
  for (const auto* row : meant) {
    const Outcome outcome = rotator.run(*row);
    status = worse(status, outcome.status);
    if (o.json)
      all.push_back(outcome_json(outcome));
    else
      print_outcome(outcome);
  }
  // Exit status 2 comes without a document elsewhere; here the rows that went well are told all the same.
  if (o.json)
    print_json(boost::json::object{{"file", utf8(o.config)}, {"status", status}, {"rotations", std::move(all)}});
  return status;
}

}  // namespace sekisho::cmd
