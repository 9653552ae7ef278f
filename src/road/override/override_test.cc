#include "road/override/override.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace sekisho::override_ {
namespace {

class OverrideTest : public ::testing::Test {
 protected:
  void SetUp() override {
    file_ = ::testing::TempDir() + "overrides." + std::to_string(getpid());
    ::unlink(file_.c_str());
  }
  void TearDown() override { ::unlink(file_.c_str()); }
  Entry entry(Kind kind, const std::string& subject, std::int64_t until) {
    return {kind, subject, *Subject::parse(subject), until, "why\tnot\n"};
  }
  std::string file_;
};

TEST_F(OverrideTest, SubjectsMatchAndExpireAndSurvive) {
  {
    auto o = Overrides::open(file_);
    ASSERT_TRUE(o.ok());
    ASSERT_TRUE((*o)->add(entry(Kind::kAllow, "192.0.2.0/24", 100)).ok());
    ASSERT_TRUE((*o)->add(entry(Kind::kDeny, "bad.example", 100)).ok());
    ASSERT_TRUE((*o)->set_bypass(true, 50).ok());
  }
  auto o = Overrides::open(file_);
  ASSERT_TRUE(o.ok());
  const auto domain = *mail::Domain::parse("sub.bad.example");
  Traveller who{*core::IpAddress::parse("192.0.2.9")};
  ASSERT_TRUE((*o)->find(who, 99));
  EXPECT_EQ((*o)->find(who, 99)->kind, Kind::kAllow);
  EXPECT_EQ((*o)->find(who, 99)->why, "why\tnot\n");
  EXPECT_FALSE((*o)->find(who, 100));
  who.mail_from_domain = &domain;
  EXPECT_EQ((*o)->find(who, 99)->kind, Kind::kDeny);
  EXPECT_TRUE((*o)->bypassed(49));
  EXPECT_FALSE((*o)->bypassed(50));
  EXPECT_TRUE(*(*o)->remove("bad.example"));
  EXPECT_FALSE(*(*o)->remove("bad.example"));
}

// A disk that takes no more.
class FullDisk : public store::FileOps {
 public:
  bool full = false;
  core::Result<std::size_t, store::OsError> write(int fd, std::string_view octets, std::uint64_t offset) override {
    if (full) return core::error(ENOSPC);
    return FileOps::write(fd, octets, offset);
  }
};

TEST_F(OverrideTest, WhatCannotBeWrittenDoesNotComeIntoForce) {
  FullDisk disk;
  auto o = Overrides::open(file_, disk);
  ASSERT_TRUE((*o)->add(entry(Kind::kAllow, "192.0.2.0/24", 100)).ok());
  disk.full = true;
  const auto denied = (*o)->add(entry(Kind::kDeny, "192.0.2.9", 100));
  ASSERT_FALSE(denied.ok());
  EXPECT_NE(denied.error().find(file_ + ": No space left"), std::string::npos) << denied.error();
  const Traveller who{*core::IpAddress::parse("192.0.2.9")};
  EXPECT_EQ((*o)->find(who, 99)->kind, Kind::kAllow);
  EXPECT_EQ((*Overrides::open(file_))->find(who, 99)->kind, Kind::kAllow);
  disk.full = false;
  EXPECT_TRUE((*o)->add(entry(Kind::kDeny, "192.0.2.9", 100)).ok());
  EXPECT_EQ((*Overrides::open(file_))->find(who, 99)->kind, Kind::kDeny);
}

TEST_F(OverrideTest, ABrokenLineIsNamed) {
  std::ofstream(file_) << "sekisho-overrides 1\nallow\t100\tnot a subject!\t00\n";
  const auto o = Overrides::open(file_);
  ASSERT_FALSE(o.ok());
  EXPECT_NE(o.error().find(":2:"), std::string::npos);
}

TEST(Subject, Forms) {
  EXPECT_TRUE(Subject::parse("2001:db8::/32"));
  EXPECT_TRUE(Subject::parse("a@b.example"));
  EXPECT_FALSE(Subject::parse("192.0.2.1/33"));
  EXPECT_FALSE(Subject::parse(""));
}

}  // namespace
}  // namespace sekisho::override_
