// sekisho srs forward|reverse --secret FILE --domain ALIAS ADDRESS; srs secret FILE; srs rotate FILE
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/present.h"
#include "mail/address/address.h"
#include "mail/srs/secrets.h"
#include "mail/srs/srs.h"

namespace sekisho::cmd {

namespace {

struct SrsOptions {
  std::string verb, target, secret_file, domain, separator = "=";
  std::int64_t hash_length = srs::kHashLength, max_age_days = srs::kMaxAgeDays, now = -1;
  bool json = false, make_new = false;
  std::int64_t now_s() const { return now >= 0 ? now : core::SystemClock().now_s(); }
};

struct Said {
  const char *en, *ja;
};

Said meaning(srs::SrsError error) {
  switch (error) {
    case srs::SrsError::kAddress:
      return {"this is no address that can be rewritten (the null return path never is)",
              "書き換えられるアドレスではありません(空のリターンパスは書き換えません)"};
    case srs::SrsError::kTooLong:
      return {"the result would be over 254 octets (RFC 5321 section 4.5.3.1.3)",
              "結果が 254 オクテットを超えます(RFC 5321 4.5.3.1.3 節)"};
    case srs::SrsError::kNotSrs:
      return {"the local part begins neither with SRS0 nor with SRS1",
              "ローカル部が SRS0 でも SRS1 でも始まっていません"};
    case srs::SrsError::kMalformed:
      return {"it begins like an SRS address, but its fields are not those of one",
              "SRS アドレスのように始まりますが、項目が正しくありません"};
    case srs::SrsError::kHash:
      return {"none of the secrets made this hash: tampered with, made by somebody else, or its secret is gone",
              "このハッシュはどの秘密鍵のものでもありません(改ざん、他者の作成、または秘密鍵の廃棄)"};
    case srs::SrsError::kExpired:
      return {"it is older than --max-age days", "有効期限(--max-age 日)を過ぎています"};
  }
  return {"", ""};
}

int refused(const SrsOptions& o, srs::SrsError error) {
  const Said text = meaning(error);
  if (o.json)
    print_json(boost::json::object{{"verb", o.verb},
                                   {"input", utf8(o.target)},
                                   {"address", nullptr},
                                   {"refused", srs::word(error)},
                                   {"text", {{"en", text.en}, {"ja", text.ja}}}});
  else
    std::fprintf(stderr, "sekisho srs: refused: %s\n  %s\n", text.en, text.ja);
  return 1;
}

int done(const SrsOptions& o, const std::string& address, boost::json::object more) {
  if (!o.json) return std::printf("%s\n", address.c_str()), 0;
  boost::json::object out{
      {"verb", o.verb}, {"input", utf8(o.target)}, {"address", utf8(address)}, {"refused", nullptr}};
  for (auto& field : more) out[field.key()] = std::move(field.value());
  print_json(out);
  return 0;
}

std::string_view word(srs::Form form) {
  constexpr std::string_view kWords[] = {"unchanged", "srs0", "srs1"};
  return kWords[static_cast<std::size_t>(form)];
}

core::Result<srs::Mailbox, srs::SrsError> unquoted(const std::string& text) {
  auto wire = srs::from_wire(text);
  if (!wire) return core::error(wire.error());
  return std::move(wire->mailbox);
}

int rewrite(const Cli& cli, const SrsOptions& o) {
  // Mail::SRS takes a whole address as alias too.
  const auto at = o.domain.rfind('@');
  const std::string alias = at == std::string::npos ? o.domain : o.domain.substr(at + 1);
  if (!mail::Domain::parse(alias))
    return cli.usage_error("--domain: \"" + core::printable(o.domain) +
                           "\" is not a domain name, as in srs.example.org");
  auto file = srs::read_secrets(o.secret_file, true);
  if (!file) return cli.usage_error("--secret: " + file.error());
  for (const auto& warning : file->warnings) std::fprintf(stderr, "sekisho srs: warning: %s\n", warning.c_str());
  const srs::Rewriter rewriter(std::move(file->secrets),
                               {static_cast<std::size_t>(o.hash_length), o.separator.front(), o.max_age_days});
  // Servers may have put quotes around it, as Postfix does where two dots meet.
  const bool quoted = o.verb == "reverse" && o.target.starts_with('"');
  const auto mailbox = quoted ? unquoted(o.target) : srs::split_plain(o.target);
  if (!mailbox) return refused(o, mailbox.error());
  if (o.verb == "forward") {
    const auto made = rewriter.forward(*mailbox, alias, o.now_s());
    if (!made) return refused(o, made.error());
    return done(o, made->mailbox.text(), {{"form", word(made->form)}});
  }
  const auto back = rewriter.reverse(*mailbox, o.now_s());
  if (!back) return refused(o, back.error());
  const bool ours = core::iequals(mailbox->host, alias);
  if (!ours)
    std::fprintf(stderr, "sekisho srs: note: %s is not under %s, but the hash is ours\n",
                 core::printable(mailbox->host).c_str(), core::printable(alias).c_str());
  return done(o, quoted ? srs::to_wire(back->mailbox, true) : back->mailbox.text(),
              {{"form", word(back->form)},
               {"age_days", back->form == srs::Form::kSrs0 ? boost::json::value(back->age_days) : nullptr},
               {"secret", back->secret + 1},
               {"under_domain", ours}});
}

void show(const SrsOptions& o, const std::string& path, const srs::Rotated& state, const std::string& did) {
  if (o.json) {
    boost::json::array kept, dropped;
    for (const auto& old : state.kept)
      kept.push_back({{"secret", old.fingerprint}, {"stopped_s", old.since_s}, {"needed_until_s", old.until_s}});
    for (const auto& name : state.dropped) dropped.push_back(boost::json::value(name));
    print_json(boost::json::object{{"verb", o.verb},
                                   {"file", utf8(path)},
                                   {"did", did},
                                   {"signs", state.signs},
                                   {"kept", kept},
                                   {"dropped", dropped}});
    return;
  }
  std::printf("%s: %s signs", path.c_str(), state.signs.c_str());
  std::printf(", %zu older verify\n", state.kept.size());
  for (const auto& old : state.kept)
    std::printf("  %s stopped signing %s, needed until %s\n", old.fingerprint.c_str(), utc_text(old.since_s).c_str(),
                utc_text(old.until_s).c_str());
  for (const auto& name : state.dropped)
    std::printf("  %s was taken away: nothing of it can come back\n", name.c_str());
  if (did == "shown") return;
  std::printf("Now: sekisho reload -c CONFIG (and copy the file to every other forwarder of this domain first)\n");
  std::printf(
      "次に: sekisho reload -c CONFIG "
      "を実行してください(同じドメインの他の転送サーバーには先にファイルを複製します)\n");
  if (!state.kept.empty())
    std::printf(
        "Old secrets go with the next sekisho srs rotate after the day above.\n"
        "古い秘密鍵は、上記の日時より後の sekisho srs rotate で取り除かれます。\n");
}

int keep_secrets(const Cli& cli, const SrsOptions& o) {
  const std::string& path = o.target.empty() ? o.secret_file : o.target;
  if (path.empty()) return cli.usage_error(o.verb + " needs the FILE of secrets");
  core::SystemRandom random;
  auto& files = store::FileOps::system();
  if (o.make_new) {
    const auto made = srs::new_secrets(path, random, files);
    if (!made) return cli.usage_error(made.error());
  }
  const bool rotate = o.verb == "rotate";
  const auto state = rotate ? srs::rotate_secrets(path, o.max_age_days, o.now_s(), random, files)
                            : srs::secrets_status(path, o.max_age_days, o.now_s());
  if (!state) return cli.usage_error(state.error());
  show(o, path, *state, rotate ? "rotated" : o.make_new ? "made" : "shown");
  return 0;
}

// An address may begin with '-'; what comes last is never an option then.
Arguments guarded(const Arguments& arguments) {
  Arguments out = arguments;
  if (out.size() > 1 && out.back().starts_with('-') && out.back().find('@') != std::string::npos)
    out.insert(out.end() - 1, "--");
  return out;
}

}  // namespace

int srs(const Arguments& arguments) {
  SrsOptions o;
  Cli cli("srs",
          "forward: takes a return path under your domain, so that SPF passes behind a forwarder (SRS0, SRS1 as "
          "Mail::SRS).\n"
          "reverse: gives the address back that a bounce is for; refused when the hash is not yours or the address too "
          "old.\nsecret: shows or makes (--new) the file of secrets: one a line, the first signs, all verify.\n"
          "rotate: puts a new secret on top and takes those away that are no longer needed.",
          "  sekisho srs secret --new /etc/sekisho/srs.secret\n"
          "  sekisho srs forward --secret /etc/sekisho/srs.secret --domain fwd.example.org user@example.com\n"
          "  sekisho srs reverse --secret /etc/sekisho/srs.secret --domain fwd.example.org "
          "'SRS0=HHHH=TT=example.com=user@fwd.example.org'\n"
          "  sekisho srs rotate /etc/sekisho/srs.secret");
  cli.positional("VERB", o.verb, "forward, reverse, secret or rotate");
  cli.positional("ADDRESS|FILE", o.target, "forward, reverse: the address; secret, rotate: the file of secrets", false);
  cli.text("--secret", o.secret_file, "file of secrets, one a line; the first signs, all verify");
  cli.text("--domain", o.domain, "the domain the rewritten addresses are under");
  cli.number("--hash-length", o.hash_length, 1, srs::kHashMost, "base64 characters of the hash (4)");
  cli.choice("--separator", o.separator, {"=", "+", "-"}, "behind SRS0 or SRS1 (=)");
  cli.number("--max-age", o.max_age_days, 1, srs::kMaxAgeMost, "days after which an address is refused (21)");
  cli.number("--now", o.now, 0, INT64_C(253402300799), "the time, seconds since 1970");
  cli.flag("--new", o.make_new, "secret: make the file");
  cli.flag("--json", o.json, "one JSON document on standard output");
  if (const auto status = cli.parse(guarded(arguments))) return *status;
  if (o.verb == "secret" || o.verb == "rotate") return keep_secrets(cli, o);
  if (o.verb != "forward" && o.verb != "reverse")
    return cli.usage_error("there is no verb '" + core::printable(o.verb) + "': forward, reverse, secret or rotate");
  if (o.secret_file.empty())
    return cli.usage_error("--secret FILE is missing; to make one: sekisho srs secret --new FILE");
  if (o.domain.empty()) return cli.usage_error("--domain is missing: the domain the rewritten addresses are under");
  return rewrite(cli, o);
}

}  // namespace sekisho::cmd
