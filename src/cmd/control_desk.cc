#include "cmd/control_desk.h"

#include <algorithm>
#include <boost/json.hpp>
#include <climits>
#include <cstdio>

#include "base/control/control.h"
#include "base/core/text.h"
#include "base/log/log.h"
#include "cmd/present.h"
#include "cmd/settings.h"
#include "cmd/story.h"
#include "road/finding/finding.h"

namespace sekisho::cmd {

namespace json = boost::json;

namespace {

constexpr std::int64_t kLongestOverrideS = 10ll * 365 * 86400;

std::string refusal(const std::string& text) { return json::serialize(json::object{{"ok", false}, {"error", text}}); }

std::string text_at(const json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->as_string()) : "";
}

std::int64_t number_at(const json::object& o, const char* key) { return whole_number(o.if_contains(key)).value_or(0); }

core::Task<std::string> trace(ControlDesk& desk, json::object request) {
  auto query = query_of(request);
  if (!query) co_return refusal(query.error());
  auto found = co_await desk.trail.find(std::move(*query), text_at(request, "reason"), text_at(request, "by_whom"));
  if (!found)
    co_return refusal(found.error() == trail::TrailError::kReasonRequired
                          ? "this server wants a reason: --reason TEXT (it is recorded)"
                      : found.error() == trail::TrailError::kNothingAsked
                          ? "nothing was asked: give a key or a time range"
                          : "the index cannot be read; it is rebuilt at the next start");
  json::array stories, problems;
  for (const auto& story : found->stories) stories.push_back(to_json(story));
  for (const auto& p : found->problems) problems.push_back(json::value(p));
  co_return json::serialize(json::object{{"ok", true},
                                         {"stories", stories},
                                         {"more", found->more},
                                         {"complete", found->complete},
                                         {"problems", problems}});
}

core::Task<std::string> override_one(ControlDesk& desk, json::object request) {
  const std::string verb = text_at(request, "verb"), subject = text_at(request, "subject"),
                    why = text_at(request, "why");
  const std::int64_t for_s = number_at(request, "for_s");
  if (for_s < (verb == "bypass" && subject == "off" ? 0 : 1) || for_s > kLongestOverrideS)
    co_return refusal("for_s is a number of seconds, at most ten years");
  const std::int64_t until_s = desk.clock.now_s() + for_s;
  core::Result<void, std::string> done;
  if (verb == "bypass") {
    done = desk.overrides.set_bypass(subject == "on", until_s);
  } else {
    const auto parsed = override_::Subject::parse(subject);
    if (!parsed) co_return refusal("'" + subject + "' is no IP address, network, domain or address");
    done = desk.overrides.add(
        {verb == "allow" ? override_::Kind::kAllow : override_::Kind::kDeny, subject, *parsed, until_s, why});
  }
  if (!done) co_return refusal(done.error());
  log::write<log::Event::k_override_set>(log::name(verb), log::name(subject), for_s);
  trail::Override event{
      verb, subject, static_cast<std::uint64_t>(until_s) * 1'000'000, why, text_at(request, "by_whom"), "self_defence"};
  auto stored = co_await desk.trail.record(std::move(event));
  if (!stored) co_return refusal("done, but the ledger could not record it");
  co_return json::serialize(json::object{{"ok", true},
                                         {"kind", verb},
                                         {"subject", subject},
                                         {"until", time_text(until_s * 1'000'000)},
                                         {"until_s", until_s}});
}

std::string list(ControlDesk& desk) {
  json::array out;
  const std::int64_t now_s = desk.clock.now_s();
  for (const auto& e : desk.overrides.list(now_s))
    out.push_back({{"kind", e.kind == override_::Kind::kAllow ? "allow" : "deny"},
                   {"subject", e.subject},
                   {"until", time_text(e.until_s * 1'000'000)},
                   {"why", utf8(e.why)}});
  return json::serialize(json::object{{"ok", true}, {"overrides", out}, {"bypass", desk.overrides.bypassed(now_s)}});
}

std::string open_receipt(ControlDesk& desk, const std::string& code) {
  const auto opened = desk.receipts.open(code);
  if (!opened) {
    static constexpr const char* kTexts[] = {
        "that is no receipt code (40 letters and digits)", "no key of ours has made this code",
        "its key has been destroyed: nobody can open it any more", "a character is wrong, or it was never ours"};
    return json::serialize(
        json::object{{"ok", true}, {"opened", false}, {"error", kTexts[static_cast<std::size_t>(opened.error())]}});
  }
  const auto& s = opened->statement;
  json::object out{{"ok", true},
                   {"opened", true},
                   {"time", time_text(s.time_s * 1'000'000)},
                   {"stage", verdict::word(static_cast<verdict::Stage>(s.stage))},
                   {"action", verdict::word(static_cast<verdict::Action>(s.action))},
                   {"reason", nullptr}};
  for (const auto& row : road::finding_texts()) {
    if (receipt::reason_id(row.code) != s.reason) continue;
    const auto text = road::explain({row.room, row.code, road::AuthResult::kNone, "..."});
    out["reason"] = row.code;
    out["text"] = json::object{{"en", text.en}, {"ja", text.ja}};
  }
  return json::serialize(out);
}

json::object verify_json(const store::VerifyReport& report) {
  json::array problems;
  for (const auto& p : report.problems)
    problems.push_back({{"kind", store::word(p.kind)}, {"file", p.file}, {"offset", p.offset}, {"text", p.text}});
  json::array repaired;
  for (const auto& p : report.repaired)
    repaired.push_back({{"kind", store::word(p.kind)}, {"file", p.file}, {"offset", p.offset}, {"text", p.text}});
  return {{"ok", true},
          {"verified", report.ok()},
          {"records", report.records},
          {"segments", report.segments},
          {"heads", report.heads},
          {"anchors", report.anchors},
          {"first_seq", report.first_seq},
          {"last_seq", report.last_seq},
          {"problems", problems},
          {"repaired", repaired}};
}

core::Task<std::string> verify(ControlDesk& desk) {
  store::VerifyReport report;
  std::function<void()> work = [&] {
    desk.trail.ledger().flush();
    report = desk.trail.ledger().verify();
  };
  co_await desk.pool.run(std::move(work));
  co_return json::serialize(verify_json(report));
}

core::Task<std::string> show(ControlDesk& desk, json::object request) {
  json::array records;
  const std::int64_t limit = std::clamp<std::int64_t>(number_at(request, "limit"), 1, 100'000);
  const std::int64_t since_us = std::max<std::int64_t>(number_at(request, "since_us"), 0);
  const std::int64_t until_us = request.contains("until_us") ? number_at(request, "until_us") : INT64_MAX;
  const std::int32_t last_day = until_us == INT64_MAX ? INT32_MAX : store::day_of(until_us);
  store::ScanReport report;
  std::function<void()> work = [&] {
    desk.trail.ledger().flush();
    const std::uint64_t last = desk.trail.ledger().last_seq();
    std::uint64_t from = static_cast<std::uint64_t>(std::max<std::int64_t>(number_at(request, "from_seq"), 0));
    if (from == 0 && since_us == 0 && until_us == INT64_MAX)
      from = last > static_cast<std::uint64_t>(limit) ? last - static_cast<std::uint64_t>(limit) + 1 : 1;
    // Days before, and segments that end before, are not read.
    store::Position after;
    if (from > 0) after.seq = from - 1;
    if (since_us > 0) after.day = store::day_of(since_us) - 1, after.part = UINT16_MAX;
    report = desk.trail.ledger().scan(after, [&](const store::Stored& s) {
      if (s.at.day > last_day) return false;
      if (s.time_us < since_us || s.time_us > until_us) return true;
      json::array rows;
      for (const auto& [name, value] : trail::describe(s.type, s.fields))
        rows.push_back({{"name", name}, {"value", utf8(value)}});
      records.push_back({{"seq", s.at.seq},
                         {"time", time_text(s.time_us)},
                         {"event", trail::event_name(s.type)},
                         {"type", s.type},
                         {"fields", rows}});
      return static_cast<std::int64_t>(records.size()) < limit;
    });
  };
  co_await desk.pool.run(std::move(work));
  json::array problems;
  for (const auto& p : report.problems) problems.push_back({{"file", p.file}, {"offset", p.offset}, {"text", p.text}});
  co_return json::serialize(json::object{{"ok", true}, {"records", records}, {"problems", problems}});
}

}  // namespace

core::Task<std::string> ControlDesk::answer(std::string request) {
  json::error_code fault;
  const json::value parsed = json::parse(request, fault);
  if (fault || !parsed.is_object()) co_return refusal("the request is not a JSON object");
  const json::object& o = parsed.as_object();
  const std::string verb = text_at(o, "verb");
  if (verb == "ping") co_return std::string("{\"ok\":true}");
  if (verb == "trace") co_return co_await trace(*this, o);
  if (verb == "allow" || verb == "deny" || verb == "bypass") co_return co_await override_one(*this, o);
  if (verb == "overrides") co_return list(*this);
  if (verb == "receipt") co_return open_receipt(*this, text_at(o, "code"));
  if (verb == "ledger_verify") co_return co_await verify(*this);
  if (verb == "ledger_show") co_return co_await show(*this, o);
  co_return refusal("unknown verb '" + core::printable(verb, 40) + "'");
}

core::Result<std::string, std::string> ask_serve(const std::string& config_file, const std::string& request) {
  auto settings = load_settings(config_file);
  if (!settings) {
    std::string text;
    for (const auto& p : settings.error()) text += (text.empty() ? "" : "\n") + p.text();
    return core::error(text);
  }
  auto answer = io::run(control::ask(settings->control_socket, request, io::now_ms() + 60'000));
  if (answer) return *answer;
  if (answer.error() == io::IoError::kTimeout)
    return core::error("the server at " + settings->control_socket + " did not answer within 60 s");
  // Nobody serves. To verify is to change nothing: a torn tail is told and stays where it is.
  json::error_code fault;
  const json::value parsed = json::parse(request, fault);
  if (!fault && parsed.is_object() && text_at(parsed.as_object(), "verb") == "ledger_verify") {
    const auto report = store::Ledger::verify_folder(settings->trail.ledger.folder);
    if (!report) return core::error(report.error().text());
    return json::serialize(verify_json(*report));
  }
  // Else the store is opened here, if its lock can be had.
  core::SystemClock clock;
  core::SystemRandom random;
  auto trail = trail::Trail::open(settings->trail);
  if (!trail)
    return core::error("no server answers at " + settings->control_socket +
                       ", and the store cannot be opened: " + trail.error().text());
  for (const auto& report : (*trail)->reports()) std::fprintf(stderr, "sekisho: store: %s\n", report.c_str());
  auto overrides = override_::Overrides::open(settings->state_dir + "/overrides");
  if (!overrides) return core::error(overrides.error());
  auto receipts = receipt::KeyRing::open(settings->state_dir + "/receipt.keys", {}, random, clock.now_s());
  if (!receipts) return core::error(settings->state_dir + "/receipt.keys cannot be opened");
  io::Pool pool(1);
  ControlDesk desk{**trail, **overrides, **receipts, clock, pool};
  return io::run(desk.answer(request));
}

}  // namespace sekisho::cmd
