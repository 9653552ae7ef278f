#include "mail/srs/secrets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace sekisho::srs {
namespace {

constexpr std::int64_t kTime = 1'704'462'070, kDayS = 86'400;

class SecretsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sekisho-secrets-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/srs.secret";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& text, unsigned mode = 0600) {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), mode);
  }
  std::string fault() {
    const auto read = read_secrets(path_);
    return read ? "" : read.error();
  }
  unsigned mode(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 07777 : 0;
  }
  std::string folder_, path_;
  core::SystemRandom random_;
};

TEST_F(SecretsTest, OneALineAndNothingElseIsCut) {
  put("first one \r\n\n# second\nthird");
  const auto read = read_secrets(path_);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->secrets, (std::vector<std::string>{"first one ", "# second", "third"}));
  EXPECT_EQ(read->warnings.size(), 1u);  // a short one signs
}

TEST_F(SecretsTest, SaysWhatIsWrongAndWhatToDo) {
  EXPECT_NE(fault().find("srs secret --new " + path_), std::string::npos) << fault();
  put("secret\n", 0644);
  EXPECT_NE(fault().find("chmod 600 " + path_), std::string::npos) << fault();
  const auto by_hand = read_secrets(path_, true);
  ASSERT_TRUE(by_hand);
  EXPECT_NE(by_hand->warnings.front().find("chmod 600 " + path_), std::string::npos);
  put("secret\n", 0602);
  EXPECT_FALSE(read_secrets(path_, true));
  EXPECT_NE(fault().find("chmod 600"), std::string::npos);
  put("secret\n", 0640);
  EXPECT_EQ(fault(), "");
  put("secret\n", 0660);
  EXPECT_NE(fault().find("its group may change it"), std::string::npos);
  put("\n\r\n");
  ::chmod(path_.c_str(), 0600);
  EXPECT_NE(fault().find("is empty"), std::string::npos) << fault();
  put(std::string(70'000, 'x'));
  EXPECT_NE(fault().find("64 KiB"), std::string::npos);
  std::string many;
  for (int i = 0; i < 65; ++i) many += "secret" + std::to_string(i) + "\n";
  put(many);
  EXPECT_NE(fault().find("over 64 secrets"), std::string::npos);
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_NE(fault().find("is a folder"), std::string::npos);
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(fault().find("not a plain file"), std::string::npos);  // and does not wait for a writer
}

TEST_F(SecretsTest, ANewFileIsPrivateAndNeverReplacesOne) {
  ASSERT_TRUE(new_secrets(path_, random_, store::FileOps::system()));
  EXPECT_EQ(mode(path_), 0600u);
  const auto read = read_secrets(path_);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->secrets.size(), 1u);
  EXPECT_EQ(read->secrets[0].size(), 43u);
  EXPECT_TRUE(read->warnings.empty());
  const auto again = new_secrets(path_, random_, store::FileOps::system());
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().find("srs rotate"), std::string::npos);
  EXPECT_EQ(read_secrets(path_)->secrets, read->secrets);
}

TEST_F(SecretsTest, AnOldSecretStaysAsLongAsItsAddressesMayComeBack) {
  put("one of the old time\n", 0640);
  auto& files = store::FileOps::system();
  const auto first = rotate_secrets(path_, 21, kTime, random_, files);
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(first->kept.size(), 1u);
  EXPECT_EQ(first->kept[0].until_s, kTime + 22 * kDayS);
  EXPECT_EQ(mode(path_), 0640u);
  EXPECT_EQ(read_secrets(path_)->secrets[1], "one of the old time");
  const auto second = rotate_secrets(path_, 21, kTime + 22 * kDayS - 1, random_, files);
  EXPECT_EQ(second->kept.size(), 2u);
  EXPECT_TRUE(second->dropped.empty());
  const auto third = rotate_secrets(path_, 21, kTime + 22 * kDayS, random_, files);
  EXPECT_EQ(third->dropped, std::vector<std::string>{fingerprint("one of the old time")});
  EXPECT_EQ(third->kept.size(), 2u);
  const auto status = secrets_status(path_, 21, kTime + 22 * kDayS);
  EXPECT_EQ(status->signs, third->signs);
  EXPECT_EQ(status->kept.size(), 2u);
}

TEST_F(SecretsTest, WithoutTheTimesNothingIsDropped) {
  put("new secret of today\nsecond\nthird\n");
  std::ofstream(path_ + ".times") << "rubbish\n"
                                  << fingerprint("second") << " 99999999999999\n"
                                  << fingerprint("third") << " x\n";
  const auto done = rotate_secrets(path_, 21, kTime, random_, store::FileOps::system());
  ASSERT_TRUE(done);
  EXPECT_EQ(done->kept.size(), 3u);
  EXPECT_TRUE(done->dropped.empty());
}

TEST_F(SecretsTest, NeverMoreThanCanBeRead) {
  std::string many;
  for (int i = 0; i < 64; ++i) many += "secret" + std::to_string(i) + "\n";
  put(many);
  const auto done = rotate_secrets(path_, 21, kTime, random_, store::FileOps::system());
  ASSERT_FALSE(done);
  EXPECT_TRUE(read_secrets(path_));
}

class FullDisk final : public store::FileOps {
 public:
  explicit FullDisk(int writes) : left_(writes) {}
  core::Result<std::size_t, int> write(int fd, std::string_view octets, std::uint64_t offset) override {
    if (left_-- <= 0) return core::error(ENOSPC);
    return FileOps::write(fd, octets, offset);
  }

 private:
  int left_;
};

TEST_F(SecretsTest, AFullDiskLeavesTheSecretsAsTheyWere) {
  for (int writes = 0; writes < 2; ++writes) {
    put("the secret that signs\n");
    FullDisk files(writes);
    const auto done = rotate_secrets(path_, 21, kTime, random_, files);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().find("No space left"), std::string::npos) << done.error();
    EXPECT_EQ(read_secrets(path_)->secrets, std::vector<std::string>{"the secret that signs"});
  }
  std::filesystem::remove(path_);
  FullDisk files(0);
  EXPECT_FALSE(new_secrets(path_, random_, files));
  EXPECT_FALSE(std::filesystem::exists(path_));  // no empty file that a second try would stumble over
}

}  // namespace
}  // namespace sekisho::srs
