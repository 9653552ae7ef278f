#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/store/ledger_test_support.h"

namespace sekisho::store::test {
namespace {

class ReplaceFile : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(replace_file(files_, path_, "old", 0600, true).ok()); }
  // Whatever fails, a whole content stands there: the one the caller was told of.
  void expect_old() {
    EXPECT_EQ(slurp(path_), "old");
    EXPECT_FALSE(fs::exists(path_ + ".new"));
  }
  Folder folder_;
  std::string path_ = folder_.path + "/small";
  FailingFiles files_;
};

TEST_F(ReplaceFile, WritesTheWholeOfItForItsOwnerOnly) {
  files_.largest_write = 7;
  const std::string octets(1000, 'x');
  ASSERT_TRUE(replace_file(files_, path_, octets, 0600, true).ok());
  EXPECT_EQ(slurp(path_), octets);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ReplaceFile, AFailedStepLeavesTheOldContent) {
  for (auto* fault : {&files_.fail_writes, &files_.fail_syncs, &files_.fail_renames}) {
    *fault = 1;
    files_.error = ENOSPC;
    const auto written = replace_file(files_, path_, "new content", 0600, true);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error(), ENOSPC);
    expect_old();
  }
  ASSERT_TRUE(replace_file(files_, path_, "new content", 0600, true).ok());  // the control: nothing fails, it is there
  EXPECT_EQ(slurp(path_), "new content");
}

TEST_F(ReplaceFile, WhatACrashLeftIsNoHindrance) {
  spit(path_ + ".new", "half of someth");
  ::chmod((path_ + ".new").c_str(), 0644);
  ASSERT_TRUE(replace_file(files_, path_, "new", 0600, true).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(slurp(path_), "new");
}

TEST_F(ReplaceFile, NeverWritesThroughALink) {
  const std::string elsewhere = folder_.path + "/elsewhere";
  spit(elsewhere, "mine");
  fs::create_symlink(elsewhere, path_ + ".new");
  ASSERT_TRUE(replace_file(files_, path_, "new", 0600, true).ok());
  EXPECT_EQ(slurp(elsewhere), "mine");
  EXPECT_EQ(slurp(path_), "new");
}

TEST_F(ReplaceFile, AFolderThatIsNotThereIsAnError) {
  EXPECT_EQ(replace_file(files_, folder_.path + "/no/such/file", "x", 0600, true).error(), ENOENT);
}

}  // namespace
}  // namespace sekisho::store::test
