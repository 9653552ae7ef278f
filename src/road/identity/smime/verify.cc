#include <functional>

#include "base/core/text.h"
#include "road/identity/smime/cms.h"
#include "road/identity/smime/entity.h"

namespace sekisho::smime {
namespace {

using road::AuthResult;

// The body's octets in one piece, for finding boundary lines.
class Whole final : public mail::BodySink {
 public:
  void update(std::string_view octets) override {
    if (view_.empty()) {
      view_ = octets;
      return;
    }
    if (joined_.empty()) joined_ = view_;
    joined_ += octets;
    view_ = joined_;
  }
  std::string_view view() const { return view_; }

 private:
  std::string_view view_;
  std::string joined_;
};

void report(Evaluation& out) {
  std::string_view code;
  switch (out.result) {
    case AuthResult::kPass:
      code = "smime_pass";
      break;
    case AuthResult::kFail:
      code = "smime_fail";
      break;
    case AuthResult::kPolicy:
      code = "smime_policy";
      break;
    case AuthResult::kNeutral:
    case AuthResult::kPermError:
      code = "smime_unusable";
      break;
    default:
      return;
  }
  const std::string who = out.address.empty() ? "" : out.address + ": ";
  out.findings.push_back({"smime", code, out.result, core::printable(who + out.reason, 160)});
}

}  // namespace

core::Task<Evaluation> verify(const mail::Message& message, const std::vector<mail::Address>& authors,
                              std::shared_ptr<const Trust> trust, Options options, core::Budget& budget) {
  Evaluation out;
  const mail::HeaderField* field = message.first("Content-Type");
  if (!trust || !field) co_return out;
  const ContentType type = parse_content_type(field->value);
  if (!may_be_signed(type)) co_return out;
  std::function<void()> check = [&] {
    Whole body;
    message.body().hash_into(body);
    const Signed found = find_signed(message, type, body.view(), budget);
    if (found.result == AuthResult::kNone) return;
    out.part = found.detached ? "2" : "1";
    out.result = found.result;
    out.reason = found.reason;
    if (found.result != AuthResult::kPass) return;
    out.result = AuthResult::kNone;
    check_cms(found.cms, found.detached, found.content, authors, *trust, options.now_s, out);
  };
  if (options.pool)
    co_await options.pool->run(std::move(check));
  else
    check();
  report(out);
  co_return out;
}

}  // namespace sekisho::smime
