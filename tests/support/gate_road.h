#pragma once
// For tests: a road that knows dest.example and keeps what it takes. One Book for all roads of a gate.
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gate/session/session.h"

namespace sekisho::session {

struct TestBook {
  struct Mail {
    std::string mail_from;
    std::vector<std::string> rcpt_to;
    std::string header;
    std::size_t size = 0;
  };
  std::mutex lock;
  std::vector<Mail> mails;
  std::vector<SessionSummary> closed;
  std::vector<std::string> moments;
  std::vector<SessionFacts> connects, helos;
  std::atomic<int> resets{0};
  std::int64_t slow_message_ms = 0;
  bool refuse_connect = false;
  bool greet_at_once = false;
  std::optional<core::IpAddress> refused_ip;
  bool remember = true;  // false for load tests
};

class TestRoad final : public Road {
 public:
  explicit TestRoad(std::shared_ptr<TestBook> book) : book_(std::move(book)) {}

  core::Task<Step> at_connect(const SessionFacts& facts) override {
    {
      const std::lock_guard guard(book_->lock);
      if (book_->remember) book_->connects.push_back(facts);
    }
    if (book_->refuse_connect || facts.client.ip == book_->refused_ip)
      co_return Verdict{smtp::Reply{554, "5.7.1", {"Not you"}}};
    co_return Continue{};
  }
  bool greet_at_once() const override { return book_->greet_at_once; }
  core::Task<Step> at_helo(const SessionFacts& facts) override {
    const std::lock_guard guard(book_->lock);
    if (book_->remember) book_->helos.push_back(facts);
    co_return Continue{};
  }
  core::Task<Step> at_mail_from(const smtp::Path& path, const smtp::MailParameters&) override {
    mail_ = {path.text, {}, {}, 0};
    co_return Continue{};
  }
  core::Task<Step> at_rcpt_to(const smtp::Path& path, const smtp::RcptParameters&) override {
    if (path.kind != smtp::Path::Kind::kPostmaster) {
      if (!path.address || path.address->domain().text() != "dest.example")
        co_return Verdict{smtp::Reply{550, "5.7.1", {"Relaying denied"}}};
      const std::string_view local = path.local();
      if (local != "user" && local != "user2" && local != "alice" && local != "bob")
        co_return Verdict{smtp::Reply{550, "5.1.1", {"No such user"}}};
    }
    if (mail_.rcpt_to.size() < 10) mail_.rcpt_to.push_back(path.text);
    co_return Continue{};
  }
  core::Task<smtp::Reply> at_message(std::shared_ptr<const mail::Message> message) override {
    if (book_->slow_message_ms > 0) {
      const auto slept = co_await io::sleep_until(io::now_ms() + book_->slow_message_ms);
      if (!slept) co_return smtp::Reply{451, "4.3.0", {"Stopping"}};
    }
    if (message->received_count() > 100) co_return smtp::Reply{554, "5.4.6", {"Loop"}};
    mail_.header = message->header_octets();
    mail_.size = message->size();
    const std::lock_guard guard(book_->lock);
    if (book_->remember) book_->mails.push_back(mail_);
    co_return smtp::Reply{250, "2.0.0", {"Taken"}};
  }
  void at_reset() override { ++book_->resets; }
  core::Task<void> at_close(const SessionSummary& summary) override {
    const std::lock_guard guard(book_->lock);
    if (book_->remember) book_->closed.push_back(summary);
    co_return;
  }

 private:
  std::shared_ptr<TestBook> book_;
  TestBook::Mail mail_;
};

}  // namespace sekisho::session
