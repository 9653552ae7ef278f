#include "road/mediation/mediation.h"

#include <gtest/gtest.h>

#include "road/identity/domainkeys/domainkeys.h"

namespace sekisho::mediation {
namespace {

mail::Domain domain(const char* text) { return *mail::Domain::parse(text); }

Settings settings(bool seal = true) {
  auto keys = std::make_shared<signing::KeyTable>();
  static const auto key = signature::PrivateKey::generate(signature::KeyType::kEd25519);
  for (const char* name : {"own.example", "lists.example"})
    keys->add({domain(name), "", false, true, false, "s1", "file", key, 1});
  Settings out;
  out.keys = keys;
  out.lists.push_back({domain("lists.example"), "", *mail::Address::parse("friends@lists.example"), "Friends"});
  out.authserv_id = "mx.own.example";
  if (seal) out.sealer = std::make_shared<const Sealer>(Sealer{domain("own.example"), "arc1", key});
  return out;
}

struct Case {
  std::string header, mail_from;
  std::optional<dmarc::Policy> policy = {};
};

struct Made {
  Plan plan;
  std::shared_ptr<const mail::Message> before;
  std::optional<Applied> applied;
  std::string words() const {
    std::string out(word(plan.path));
    for (const auto& step : plan.steps) out += " " + std::string(word(step.change)) + "=" + step.value;
    return out;
  }
};

Made make(const Case& c, const Settings& s = settings()) {
  core::Budget budget;
  Made out;
  out.before = *mail::Message::parse(c.header + "\r\nbody\r\n.\r\nend\r\n", budget);
  const auto author = author::evaluate(*out.before, budget, false);
  const arc::Evaluation chain;
  const Facts facts{*out.before, author, c.mail_from, c.policy, &chain};
  out.plan = plan(facts, s);
  auto applied = apply(out.before, out.plan, s, &chain, {"mx.own.example", 0, {}}, 1'767'225'600,
                       "Thu, 1 Jan 2026 00:00:00 +0000");
  if (applied) out.applied = std::move(*applied);
  return out;
}

std::string value(const mail::Message& message, const char* name) {
  const auto all = message.all(name);
  EXPECT_LE(all.size(), 1u);
  return all.empty() ? "-" : std::string(all.front()->value);
}

TEST(Mediation, OwnMailIsSignedAndNothingElse) {
  const Made made = make({"From: joe@own.example\r\n", "joe@own.example"});
  EXPECT_EQ(made.words(), "own dkim=own.example");
  EXPECT_EQ(made.applied->message, made.before);
  ASSERT_EQ(made.applied->prepend.size(), 1u);
  EXPECT_TRUE(made.applied->prepend[0].starts_with("DKIM-Signature:"));
}

TEST(Mediation, ForwardedMailStaysAsItIs) {
  const Made made = make({"From: a@bank.example\r\n", "SRS0=abc=xy=bank.example=a@own.example"});
  EXPECT_EQ(made.words(), "forward arc=own.example");
  EXPECT_EQ(made.applied->message, made.before);
  EXPECT_EQ(made.applied->prepend.size(), 3u);
  EXPECT_EQ(make({"From: a@bank.example\r\n", "a@bank.example"}, settings(false)).words(), "forward");
}

TEST(Mediation, ForwardedMailWithResentFrom) {
  Settings s = settings(false);
  s.resent = Resent::kFrom;
  s.forward_address = *mail::Address::parse("forward@own.example");
  const Made made =
      make({"Delivered-To: x@elsewhere.example\r\nDelivered-To: bob@own.example\r\nFrom: a@bank.example\r\n",
            "a@bank.example"},
           s);
  EXPECT_EQ(made.words(), "forward resent=bob@own.example");
  EXPECT_EQ(value(*made.applied->message, "Resent-From"), " <bob@own.example>");
  EXPECT_EQ(make({"From: a@bank.example\r\n", ""}, s).words(), "forward resent=forward@own.example");
  // Delivered-To that the sender wrote himself, and one of an alias here.
  const std::string hop = "Received: from evil (evil [192.0.2.66]) by mta.own.example (Postfix) with ESMTP id 1; x\r\n";
  const std::string local = "Received: by mta.own.example (Postfix) id 2; x\r\n";
  const std::string claim = "Delivered-To: ceo@own.example\r\nFrom: a@bank.example\r\n";
  EXPECT_EQ(make({hop + claim, ""}, s).words(), "forward resent=forward@own.example");
  EXPECT_EQ(make({local + hop + claim, ""}, s).words(), "forward resent=forward@own.example");
  EXPECT_EQ(make({local + "Delivered-To: bob@own.example\r\n" + hop + claim, ""}, s).words(),
            "forward resent=bob@own.example");
}

TEST(Mediation, ThirdPartyGetsASender) {
  const Made made = make({"From: ceo@company.example\r\n", "user@own.example"});
  EXPECT_EQ(made.words(), "third-party sender=user@own.example dkim=own.example");
  EXPECT_EQ(value(*made.applied->message, "Sender"), " <user@own.example>");
  EXPECT_EQ(make({"From: ceo@company.example\r\nSender: x@own.example\r\n", "user@own.example"}).words(),
            "third-party dkim=own.example");
}

TEST(Mediation, AListMungesFromOnlyForAStrictAuthor) {
  const std::string header =
      "List-Id: Friends <friends.lists.example>\r\nFrom: \"Alice, A.\" <alice@bank.example>\r\nSubject: x\r\n";
  const Made strict = make({header, "bounce-1@lists.example", dmarc::Policy::kReject});
  EXPECT_EQ(strict.words(),
            "list from=friends@lists.example reply_to=alice@bank.example dkim=lists.example arc=own.example");
  EXPECT_EQ(value(*strict.applied->message, "From"), " \"Alice, A. via Friends\"\r\n <friends@lists.example>");
  EXPECT_EQ(value(*strict.applied->message, "Reply-To"), " \"Alice, A.\" <alice@bank.example>");
  EXPECT_EQ(strict.applied->message->body().size(), strict.before->body().size());
  const Made none = make({header, "bounce-1@lists.example", dmarc::Policy::kNone});
  EXPECT_EQ(none.words(), "list sender=friends@lists.example dkim=lists.example arc=own.example");
  EXPECT_EQ(value(*none.applied->message, "From"), " \"Alice, A.\" <alice@bank.example>");
  EXPECT_EQ(make({header, "bounce-1@lists.example"}).plan.remarks.front().code, "mediation_list_policy_unknown");
}

TEST(Mediation, ReplyToOfTheListKeepsTheAuthorToo) {
  const Made made =
      make({"List-Id: <f.lists.example>\r\nReply-To: friends@lists.example\r\nFrom: alice@bank.example\r\n",
            "b@lists.example", dmarc::Policy::kQuarantine});
  EXPECT_EQ(value(*made.applied->message, "Reply-To"), " friends@lists.example,\r\n alice@bank.example");
  EXPECT_EQ(value(*made.applied->message, "From"), " \"alice via Friends\"\r\n <friends@lists.example>");
}

TEST(Mediation, NoReplyToSwallowsTheAuthor) {
  const auto reply_to = [](const std::string& was) {
    const Made made = make({"List-Id: <f.lists.example>\r\nReply-To:" + was + "\r\nFrom: alice@bank.example\r\n",
                            "b@lists.example", dmarc::Policy::kReject});
    return value(*made.applied->message, "Reply-To");
  };
  EXPECT_EQ(reply_to(" Alice@bank.example"), " Alice@bank.example");
  EXPECT_EQ(reply_to(" notalice@bank.example"), " notalice@bank.example,\r\n alice@bank.example");
  EXPECT_EQ(reply_to(" \"alice@bank.example\" <x@y.example>"),
            " \"alice@bank.example\" <x@y.example>,\r\n alice@bank.example");
  for (const char* open :
       {" x@y.example, (open", " x@y.example, \"open", " x@y.example, <open", " x@y.example, z <q@y.example"})
    EXPECT_TRUE(reply_to(open).starts_with(" alice@bank.example,\r\n x@y.example, ")) << open;
  for (const char* none : {"", " ", " ,", " nobody", " g:;"}) EXPECT_EQ(reply_to(none), " alice@bank.example") << none;
  const Made odd = make({"List-Id: <f.lists.example>\r\nReply-To: x@y.example\r\nFrom: A <alice@bank.example\r\n",
                         "b@lists.example", dmarc::Policy::kReject});
  EXPECT_EQ(value(*odd.applied->message, "Reply-To"), " x@y.example,\r\n <alice@bank.example>");
}

TEST(Mediation, AListIdAloneIsNoList) {
  const std::string header = "List-Id: <friends.lists.example>\r\nFrom: alice@bank.example\r\n";
  EXPECT_EQ(make({header, "evil@bank.example"}, settings(false)).words(), "forward");
  EXPECT_EQ(make({header, "b@lists.example"}, settings(false)).plan.path, Path::kList);
}

TEST(Mediation, AForwardersReturnPathIsNoListsOne) {
  const std::string header = "List-Id: <friends.lists.example>\r\nFrom: alice@bank.example\r\n";
  for (const char* mail_from : {"SRS0=aaaa=bb=evil.example=x@srs.lists.example", "srs1+aaaa=c==bb@lists.example"})
    EXPECT_EQ(make({header, mail_from}, settings(false)).words(), "forward") << mail_from;
}

TEST(Mediation, AListOfLists) {
  const std::string from = "From: alice@bank.example\r\n", other = "List-Id: <all.other.example>\r\n";
  const std::string ours = "List-Id: <friends.lists.example>\r\n";
  EXPECT_EQ(make({other + ours + from, "b@lists.example"}, settings(false)).plan.path, Path::kList);
  EXPECT_EQ(make({ours + other + from, "b@lists.example"}, settings(false)).plan.path, Path::kList);
  EXPECT_EQ(make({other + from, "b@lists.example"}, settings(false)).plan.path, Path::kThirdParty);
  // Two of ours: the return path tells which.
  Settings two = settings(false);
  two.lists.push_back(two.lists.front());
  two.lists.back().address = *mail::Address::parse("all@lists.example");
  const auto munged = [&](const char* mail_from) {
    return make({"List-Id: <all.lists.example>\r\n" + ours + from, mail_from, dmarc::Policy::kReject}, two)
        .plan.steps.front()
        .value;
  };
  EXPECT_EQ(munged("all+bounces-1@lists.example"), "all@lists.example");
  EXPECT_EQ(munged("friends+bounces-1@lists.example"), "friends@lists.example");
  EXPECT_EQ(munged("b@lists.example"), "friends@lists.example");
}

TEST(Mediation, NamesThatTryToBreakOut) {
  for (const char* from :
       {"\"a\\\" <x@y>, \" <alice@bank.example>", "=?utf-8?Q?a=22?= <alice@bank.example>", "(c) alice@bank.example",
        "\"x@trusted.example\" <alice@bank.example>", "\"\\\" <alice@bank.example>"}) {
    const Made made = make({"List-Id: <f.lists.example>\r\nFrom: " + std::string(from) + "\r\n", "b@lists.example",
                            dmarc::Policy::kReject});
    if (made.plan.steps.empty() || made.plan.steps.front().change != Change::kMungeFrom) continue;
    core::Budget budget;
    const auto author = author::evaluate(*made.applied->message, budget, false);
    ASSERT_EQ(author.addresses.size(), 1u) << from << value(*made.applied->message, "From");
    EXPECT_EQ(author.addresses.front().text(), "friends@lists.example") << from;
  }
}

TEST(Mediation, NoFieldOfOursGoesOnInTheSenders) {
  const Made made = make({" , <evil@bank.example>\r\nFrom: ceo@company.example\r\n", "user@own.example"});
  EXPECT_EQ(made.words(), "third-party sender=user@own.example dkim=own.example");
  EXPECT_FALSE(made.applied);
  EXPECT_TRUE(make({"X: y\r\n , z\r\nFrom: ceo@company.example\r\n", "user@own.example"}).applied);
}

TEST(Mediation, EveryReasonHasItsTexts) {
  for (const auto& row : road::finding_texts()) {
    if (row.room != "mediation") continue;
    EXPECT_FALSE(row.en.empty() || row.ja.empty());
  }
  const auto text = road::explain(make({"From: joe@own.example\r\n", ""}).plan.steps.front().why);
  EXPECT_NE(text.en.find("own.example"), std::string::npos);
  EXPECT_NE(text.ja, text.en);
}

}  // namespace
}  // namespace sekisho::mediation
