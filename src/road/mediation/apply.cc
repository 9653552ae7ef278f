#include <algorithm>

#include "base/core/text.h"
#include "mail/address/mailbox.h"
#include "road/identity/dkim/dkim.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/mediation/mediation.h"

namespace sekisho::mediation {
namespace {

class Octets final : public mail::BodySink {
 public:
  explicit Octets(std::string& into) : into_(into) {}
  void update(std::string_view octets) override { into_ += octets; }

 private:
  std::string& into_;
};

// The message with other fields: `header` is all of them.
std::shared_ptr<const mail::Message> with_header(const mail::Message& message, std::string header) {
  header.reserve(header.size() + 2 + message.body().size());
  header += "\r\n";
  Octets sink(header);
  message.body().copy_to(sink);
  core::Budget budget;
  auto parsed = mail::Message::parse(std::move(header), budget);
  return parsed ? *parsed : nullptr;
}

// Atoms and the blanks between them: a phrase that needs no quotes.
bool is_atom(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || core::is_atext(c); });
}
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= ' ' && c != 127) out += c;
  }
  return out + '"';
}
std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    out += text[i];
  }
  return out;
}
std::string unfolded(std::string_view value) {
  std::string out;
  for (const char c : value)
    if (c != '\r' && c != '\n') out += c == '\t' ? ' ' : c;
  return std::string(core::trim(out));
}

// "Alice via Friends": RFC 5322 section 3.2.5, a phrase. Encoded words stay as they are; an address is never shown.
std::string shown_name(std::string_view from, const std::string& local, const std::string& list) {
  const std::string flat = unfolded(from);
  const auto bracket = flat.rfind('<');
  std::string name =
      bracket == std::string::npos ? "" : std::string(core::trim(std::string_view(flat).substr(0, bracket)));
  const bool in_quotes = name.size() >= 2 && name.front() == '"' && name.back() == '"';
  const bool encoded = name.find("=?") != std::string::npos;
  if (in_quotes) name = unquoted(name);
  if (name.size() > 400 || name.find('@') != std::string::npos) name.clear();
  if (name.empty()) name = local;
  if (encoded && !in_quotes && is_atom(name)) return name + " via " + (is_atom(list) ? list : quoted(list));
  return quoted(name + " via " + list);
}

class Applier {
 public:
  Applier(std::shared_ptr<const mail::Message> message, const Plan& plan, const Settings& settings)
      : plan_(plan), settings_(settings) {
    out_.message = std::move(message);
  }

  core::Result<Applied, Fault> run(const arc::Evaluation* chain, const authres::Header& results, std::int64_t now_s,
                                   const std::string& date) {
    // A header that begins with a fold would go on in the last field of ours. No MTA hands one over.
    const auto& fields = out_.message->fields();
    if (!plan_.steps.empty() && !fields.empty() && core::is_wsp(fields.front().raw.front()))
      return core::error(Fault::kHeader);
    auto changed = change_header(date, now_s);
    if (!changed) return core::error(changed.error());
    auto with_signatures = sign(now_s);
    if (!with_signatures) return core::error(with_signatures.error());
    auto with_seal = seal(chain, results, now_s);
    if (!with_seal) return core::error(with_seal.error());
    return std::move(out_);
  }

 private:
  const Step* find(Change change) const {
    const auto it =
        std::find_if(plan_.steps.begin(), plan_.steps.end(), [&](const Step& s) { return s.change == change; });
    return it == plan_.steps.end() ? nullptr : &*it;
  }

  core::Result<void, Fault> change_header(const std::string& date, std::int64_t now_s) {
    const Step *sender = find(Change::kSender), *resent = find(Change::kResent), *from = find(Change::kMungeFrom),
               *author = find(Change::kKeepAuthor);
    if (!sender && !resent && !from && !author) return {};
    const mail::Message& message = *out_.message;
    std::string header;
    if (resent) {
      // RFC 5322 section 3.6.6: a new block stands above all older ones.
      header += "Resent-Date: " + date + "\r\nResent-From: <" + resent->value + ">\r\n";
      if (!resent->detail.empty()) header += "Resent-Sender: <" + resent->detail + ">\r\n";
      header += "Resent-Message-ID: <" + std::to_string(now_s) + "." + std::to_string(message.size()) + "@" +
                settings_.authserv_id + ">\r\n";
    }
    if (sender) header += "Sender: <" + sender->value + ">\r\n";
    const auto* shown = message.first("From");
    const auto* answers = message.first("Reply-To");
    const std::string original = shown && author ? as_written(shown->value, author->value) : "";
    if (author && !answers) header += "Reply-To: " + original + "\r\n";
    for (const mail::HeaderField& field : message.fields()) {
      if (from && &field == shown)
        header += "From: " + shown_name(field.value, local_of(author), from->detail) + "\r\n <" + from->value + ">\r\n";
      else if (author && &field == answers)
        header += with_author(field, author->value, original);
      else
        header += field.raw;
    }
    out_.message = with_header(message, std::move(header));
    if (!out_.message) return core::error(Fault::kHeader);
    return {};
  }

  static std::string local_of(const Step* author) {
    return author ? author->value.substr(0, author->value.rfind('@')) : "";
  }
  // From as the author wrote it, with his name; his bare address where it is not plain: an open bracket goes on into
  // what follows.
  static std::string as_written(std::string_view from, const std::string& address) {
    core::Budget budget;
    const auto list = mail::parse_mailboxes(from, budget);
    if (list.oddities.none() && list.mailboxes.size() == 1) return std::string(core::trim_fws(from));
    return "<" + address + ">";
  }
  // Reply-To as it is where it names the author; else with him behind it, or before what nobody reads to its end (an
  // open quote would swallow him).
  static std::string with_author(const mail::HeaderField& field, const std::string& address,
                                 const std::string& original) {
    core::Budget budget;
    const auto list = mail::parse_mailboxes(field.value, budget);
    const auto is_author = [&](const mail::Mailbox& m) {
      return m.address && core::iequals(m.address->text(), address);
    };
    if (std::any_of(list.mailboxes.begin(), list.mailboxes.end(), is_author)) return std::string(field.raw);
    const std::string value(core::trim_fws(field.value));
    const bool any = std::any_of(list.mailboxes.begin(), list.mailboxes.end(), [](const auto& m) { return m.address; });
    if (!any) return "Reply-To: " + original + "\r\n";
    if (!list.oddities.none()) return "Reply-To: " + original + ",\r\n " + value + "\r\n";
    return "Reply-To: " + value + ",\r\n " + original + "\r\n";
  }

  core::Result<void, Fault> sign(std::int64_t now_s) {
    for (const Step& step : plan_.steps) {
      if (step.change != Change::kSignDomainKeys) continue;
      domainkeys::SignOptions options{step.key->domain, step.key->selector};
      const auto field = domainkeys::sign(*out_.message, step.key->key, options);
      if (!field) return core::error(Fault::kSignature);
      out_.prepend.insert(out_.prepend.begin(), *field);
    }
    std::vector<dkim::SignWith> with;
    for (const Step& step : plan_.steps) {
      if (step.change != Change::kSignDkim) continue;
      dkim::SignOptions options{step.key->domain, step.key->selector};
      options.now_s = now_s;
      if (!step.key->user.empty()) options.agent_id = step.key->user + "@" + step.key->domain.text();
      with.push_back({&step.key->key, std::move(options)});
    }
    if (with.empty()) return {};
    const auto fields = dkim::sign_all(*out_.message, with);
    if (!fields)
      return core::error(fields.error() == dkim::SignError::kTooComplex ? Fault::kTooComplex : Fault::kSignature);
    split(*fields);
    return {};
  }

  // Several whole fields in one text: each goes on top by itself.
  void split(const std::string& fields) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < fields.size();) {
      auto end = fields.find("\r\n", at);
      while (end != std::string::npos && end + 2 < fields.size() && core::is_wsp(fields[end + 2]))
        end = fields.find("\r\n", end + 2);
      if (end == std::string::npos) end = fields.size() - 2;
      out.push_back(fields.substr(at, end + 2 - at));
      at = end + 2;
    }
    out_.prepend.insert(out_.prepend.begin(), out.begin(), out.end());
  }

  core::Result<void, Fault> seal(const arc::Evaluation* chain, const authres::Header& results, std::int64_t now_s) {
    const Step* step = find(Change::kSeal);
    if (!step || !settings_.sealer || !chain) return {};
    std::shared_ptr<const mail::Message> message = out_.message;
    if (!out_.prepend.empty()) {
      std::string header;
      for (const auto& field : out_.prepend) header += field;
      message = with_header(*message, header + std::string(message->header_octets()));
    }
    if (!message) return core::error(Fault::kHeader);
    arc::SealOptions options{settings_.sealer->domain, settings_.sealer->selector, {}, now_s};
    const auto fields = arc::seal(*message, *chain, results, settings_.sealer->key, options);
    if (!fields)
      return core::error(fields.error() == arc::SealError::kTooComplex ? Fault::kTooComplex : Fault::kSignature);
    split(*fields);
    return {};
  }

  const Plan& plan_;
  const Settings& settings_;
  Applied out_;
};

}  // namespace

std::string_view word(Fault fault) {
  switch (fault) {
    case Fault::kHeader:
      return "a field cannot be written";
    case Fault::kSignature:
      return "a signature cannot be made";
    case Fault::kTooComplex:
      return "the header is too complex";
  }
  return "";
}

core::Result<Applied, Fault> apply(std::shared_ptr<const mail::Message> message, const Plan& plan,
                                   const Settings& settings, const arc::Evaluation* chain,
                                   const authres::Header& results, std::int64_t now_s, const std::string& date) {
  return Applier(std::move(message), plan, settings).run(chain, results, now_s, date);
}

}  // namespace sekisho::mediation
