#include "road/identity/signing/rotation.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "road/identity/signing/signing.h"

using namespace sekisho;
using namespace sekisho::signing;

namespace {
namespace fs = std::filesystem;

struct Killed {};

// A process that dies at its n-th touch of the disk; of a write half comes through.
class DyingOps final : public store::FileOps {
 public:
  explicit DyingOps(int life) : life_(life) {}
  core::Result<int, int> open(const std::string& path, int flags, unsigned mode) override {
    spend();
    return FileOps::open(path, flags, mode);
  }
  core::Result<std::size_t, int> write(int fd, std::string_view octets, std::uint64_t offset) override {
    if (life_ == 0) static_cast<void>(FileOps::write(fd, octets.substr(0, octets.size() / 2), offset));
    spend();
    return FileOps::write(fd, octets, offset);
  }
  core::Result<void, int> sync(int fd) override {
    spend();
    return FileOps::sync(fd);
  }
  core::Result<void, int> sync_folder(const std::string& path) override {
    spend();
    return FileOps::sync_folder(path);
  }
  core::Result<void, int> rename(const std::string& from, const std::string& to) override {
    spend();
    return FileOps::rename(from, to);
  }
  core::Result<void, int> unlink(const std::string& path) override {
    spend();
    return FileOps::unlink(path);
  }

 private:
  void spend() {
    if (life_-- == 0) throw Killed();
  }
  int life_;
};

class RotationTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rotation-test-XXXXXX";
    root_ = ::mkdtemp(name);
    folder_ = root_ + "/keys";
  }
  void TearDown() override { fs::remove_all(root_); }

  // What the command does in one run. The operator publishes what he was shown after the run that showed it.
  void run(store::FileOps& files, std::int64_t now_s) {
    auto rotation = Rotation::open(folder_, domain_, files);
    ASSERT_TRUE(rotation.ok()) << rotation.error();
    if (!rotation->state().find(Stage::kSigning) && !rotation->state().find("s1")) {
      ASSERT_TRUE(rotation->adopt("s1", first_, now_s).ok());
    }
    if (!rotation->state().find(Stage::kWaiting)) {
      if (const auto* old = rotation->state().find(Stage::kOverlap)) {
        const std::string selector = old->selector;
        ASSERT_TRUE(rotation->retire(selector, now_s).ok());
        return;
      }
      if (rotation->state().find("s2")) return;
      ASSERT_TRUE(rotation->begin("s2", now_s).ok());
    }
    const auto key = rotation->waiting_key(signature::KeyType::kEd25519, 2048);
    ASSERT_TRUE(key.ok()) << key.error();
    shown_.insert(key->record());
    if (published_ == key->record()) {
      ASSERT_TRUE(rotation->switch_over(now_s).ok());
    }
  }

  // What signs now is whole, and the world knows it.
  void look() {
    const auto state = read_rotation(folder_);
    ASSERT_TRUE(state.ok()) << state.error();
    if (!*state) return;
    const auto* signs = (*state)->find(Stage::kSigning);
    ASSERT_TRUE(signs);
    const auto file = read_key_file(key_path(folder_, signs->selector));
    ASSERT_TRUE(file.ok()) << file.error();
    EXPECT_TRUE(file->key.record() == first_.record() || file->key.record() == published_);
    EXPECT_TRUE(file->warnings.empty());
  }

  std::string root_, folder_, published_;
  std::set<std::string> shown_;
  mail::Domain domain_ = *mail::Domain::parse("example.org");
  signature::PrivateKey first_ = signature::PrivateKey::generate(signature::KeyType::kEd25519);
};

// Killed at every touch of the disk, at every run of the change: the next run goes on, one key is made, and no other
// than a published one signs.
TEST_F(RotationTest, GoesOnAfterAKillAnywhere) {
  int kills = 0;
  for (int deadly_run = 0; deadly_run < 3; ++deadly_run) {
    for (int life = 0;; ++life) {
      fs::remove_all(folder_);
      shown_.clear();
      published_.clear();
      bool killed = false;
      for (int step = 0; step < 5; ++step) {
        DyingOps dying(step == deadly_run ? life : 1'000'000);
        try {
          run(dying, 1000 + step);
        } catch (const Killed&) {
          killed = true;
          ++kills;
          look();
          run(store::FileOps::system(), 1000 + step);  // run again
        }
        look();
        if (HasFatalFailure()) FAIL() << "run " << deadly_run << ", life " << life;
        ASSERT_LE(shown_.size(), 1u) << "a second key was made";
        if (!shown_.empty()) published_ = *shown_.begin();
      }
      const auto state = read_rotation(folder_);
      ASSERT_TRUE(state.ok() && *state);
      ASSERT_EQ((*state)->keys.size(), 2u);
      EXPECT_EQ((*state)->find("s1")->stage, Stage::kRetired);
      EXPECT_EQ((*state)->find("s2")->stage, Stage::kSigning);
      EXPECT_TRUE(fs::exists(folder_ + "/retired/s1.pem"));
      EXPECT_FALSE(fs::exists(folder_ + "/s1.pem"));
      if (!killed) break;
    }
  }
  EXPECT_GT(kills, 30);
}

TEST_F(RotationTest, FilesAreForTheOwnerOnly) {
  ::umask(0);
  run(store::FileOps::system(), 1000);
  for (const auto& entry : fs::directory_iterator(folder_))
    EXPECT_EQ(fs::status(entry.path()).permissions() & fs::perms(0077), fs::perms::none) << entry.path();
  EXPECT_EQ(fs::status(folder_).permissions() & fs::perms(0777), fs::perms(0700));
  ::umask(022);
}

// What root makes belongs to the owner of the folder; what that owner has linked there stays whose it is.
TEST_F(RotationTest, OwnersGetTheirKeysAndNothingElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr unsigned kOwner = 12345;
  run(store::FileOps::system(), 1000);
  ASSERT_EQ(::chown(folder_.c_str(), kOwner, kOwner), 0);
  const std::string victim = root_ + "/victim", target = root_ + "/target";
  std::ofstream(victim) << "not yours";
  std::ofstream(target) << "not yours";
  fs::remove(folder_ + "/s1.pem");
  fs::create_hard_link(victim, folder_ + "/s1.pem");
  fs::remove(folder_ + "/s2.pem");
  fs::create_symlink(target, folder_ + "/s2.pem");
  ASSERT_TRUE(Rotation::open(folder_, domain_).ok());
  const auto owner_of = [](const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 ? about.st_uid : 99999;
  };
  EXPECT_EQ(owner_of(victim), 0u);
  EXPECT_EQ(owner_of(target), 0u);
  EXPECT_EQ(owner_of(folder_ + "/state"), kOwner);  // control: what is ours to give is given
  fs::create_directory_symlink(root_, folder_ + "/retired");
  auto rotation = Rotation::open(folder_, domain_);
  ASSERT_TRUE(rotation.ok() && rotation->switch_over(1001).ok());
  EXPECT_FALSE(rotation->retire("s1", 1002).ok()) << "a key went through a link";
}

TEST_F(RotationTest, OnlyOneAtATime) {
  const auto one = Rotation::open(folder_, domain_);
  ASSERT_TRUE(one.ok());
  const auto two = Rotation::open(folder_, domain_);
  ASSERT_FALSE(two.ok());
  EXPECT_NE(two.error().find("another sekisho dkim rotate"), std::string::npos);
}

TEST_F(RotationTest, AFolderBelongsToOneDomain) {
  run(store::FileOps::system(), 1000);
  const auto other = Rotation::open(folder_, *mail::Domain::parse("example.net"));
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().find("example.org"), std::string::npos);
}

TEST_F(RotationTest, ASelectorIsNeverUsedTwice) {
  run(store::FileOps::system(), 1000);
  published_ = *shown_.begin();
  run(store::FileOps::system(), 1001);
  run(store::FileOps::system(), 1002);
  auto rotation = Rotation::open(folder_, domain_);
  ASSERT_TRUE(rotation.ok());
  for (const char* used : {"s1", "s2", "", "a/b", ".", "..", "UPPER", "a b", "x\n"}) {
    EXPECT_FALSE(rotation->is_free(used)) << used;
    EXPECT_FALSE(rotation->begin(used, 1003).ok()) << used;
  }
  EXPECT_TRUE(rotation->is_free("s3"));
}

TEST_F(RotationTest, AWaitingKeyThatCannotBeReadIsNotReplacedSilently) {
  run(store::FileOps::system(), 1000);
  std::ofstream(folder_ + "/s2.pem", std::ios::trunc) << "-----BEGIN PRIVATE KEY-----\n";
  auto rotation = Rotation::open(folder_, domain_);
  ASSERT_TRUE(rotation.ok());
  const auto key = rotation->waiting_key(signature::KeyType::kEd25519, 2048);
  ASSERT_FALSE(key.ok());
  EXPECT_NE(key.error().find("s2.pem"), std::string::npos);
}

TEST(RotationState, ReadsWhatItWrites) {
  const RotationState state{*mail::Domain::parse("example.org"),
                            {{"s0", Stage::kRetired, 1}, {"s1", Stage::kSigning, 2}, {"s2.a", Stage::kWaiting, 3}}};
  const auto back = RotationState::parse(state.format());
  ASSERT_TRUE(back.ok()) << back.error();
  EXPECT_EQ(*back, state);
}

// A torn state is never taken for a shorter one.
TEST(RotationState, EveryPrefixIsRefused) {
  const RotationState state{*mail::Domain::parse("example.org"), {{"s1", Stage::kSigning, 2}}};
  const std::string text = state.format();
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(RotationState::parse(std::string_view(text).substr(0, size)).ok()) << size;
  EXPECT_FALSE(RotationState::parse(text + "\n").ok());
}

TEST(RotationState, SaysWhichLine) {
  const std::string head = "sekisho signing keys 1\ndomain example.org\n";
  const std::pair<const char*, const char*> cases[] = {{"sleeping s1 1\nend\n", "3: a stage"},
                                                       {"signing s1\nend\n", "3: a stage"},
                                                       {"signing s1 -1\nend\n", "3: \"-1\""},
                                                       {"signing ../x 1\nend\n", "3: \"../x\" is not a selector"},
                                                       {"signing S1 1\nend\n", "3: \"S1\""},
                                                       {"signing s1 1\noverlap s1 1\nend\n", "4: s1 is there twice"},
                                                       {"signing s1 1\nsigning s2 1\nend\n", "4: two"},
                                                       {"waiting s1 1\nwaiting s2 1\nend\n", "4: two"},
                                                       {"signing s1 1\r\nend\n", "3: "},
                                                       {"signing s1 99999999999999999999\nend\n", "3: "},
                                                       {"signing  s1 1\nend\n", "3: "},
                                                       {"end\nsigning s1 1\n", "3: something stands behind"}};
  for (const auto& [text, wanted] : cases) {
    const auto state = RotationState::parse(head + text);
    ASSERT_FALSE(state.ok()) << text;
    EXPECT_TRUE(state.error().starts_with(wanted)) << state.error();
  }
  EXPECT_FALSE(RotationState::parse(head + std::string("signing s\0 1\nend\n", 17)).ok());
  EXPECT_FALSE(RotationState::parse("sekisho signing keys 1\ndomain Example.org\nend\n").ok());
  std::string many = head;
  for (int i = 0; i < 5000; ++i) many += "retired s" + std::to_string(i) + " 1\n";
  EXPECT_FALSE(RotationState::parse(many + "end\n").ok());
}
}  // namespace
