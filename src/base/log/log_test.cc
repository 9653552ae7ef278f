#include "base/log/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>
#include <vector>

namespace sekisho::log {
namespace {

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "sekisho-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    options_ = {Sink::kFile, folder_ + "/log", Level::kInfo, 100};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string content(const char* name = "/log") const {
    std::ifstream in(folder_ + name);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  }
  std::string folder_;
  Options options_;
};

TEST_F(File, OneLineAnEvent) {
  {
    auto logger = *Logger::open(options_);
    write<Event::k_listening>("mx", name("[::1]:25"));
    write<Event::k_config_refused>(name("/etc/a b.toml"), 7, name("say \"x\"\r\nstarted version=9"));
    write<Event::k_session_refused>(core::IpAddress::v4(0xc0000201), 4711, "x");  // debug: not at this level
  }
  const std::string text = content();
  EXPECT_NE(text.find("Z info listening gate=mx address=[::1]:25\n"), std::string::npos) << text;
  EXPECT_NE(
      text.find(
          "error config_refused file=\"/etc/a b.toml\" line=7 problem=\"say \\\"x\\\"\\x0d\\x0astarted version=9\"\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("session_refused"), std::string::npos);
}

TEST_F(File, WithoutALoggerLinesGoNowhere) {
  write<Event::k_stopped>(1);
  EXPECT_FALSE(enabled(Level::kError));
}

TEST_F(File, LevelAndRotation) {
  auto logger = *Logger::open(options_);
  logger->set_level(Level::kDebug);
  EXPECT_TRUE(enabled(Level::kDebug));
  write<Event::k_session_refused>(core::IpAddress::v4(0xc0000201), 4711, "x");
  while (content().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_NE(content().find("client_ip=192.0.2.1 client_port=4711"), std::string::npos);
  std::filesystem::rename(folder_ + "/log", folder_ + "/log.1");
  logger->reopen();
  write<Event::k_stopped>(1);
  logger.reset();
  EXPECT_EQ(content("/log.1").find("stopped"), std::string::npos);
  EXPECT_NE(content().find("stopped uptime_s=1"), std::string::npos);
}

TEST_F(File, AFileThatCannotBeOpenedIsAnError) {
  options_.path = "/proc/no/such/log";
  EXPECT_EQ(Logger::open(options_).error(), LogError::kOpen);
}

TEST_F(File, ABlockedSinkNeverStallsTheWriter) {
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK);  // opened, never read
  options_.path = pipe;
  auto logger = *Logger::open(options_);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20'000; ++i) write<Event::k_next_hop_down>(name(std::string(150, 'x')), "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_GT(logger->dropped(), 0u);
  const auto end = std::chrono::steady_clock::now();
  logger.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - end, std::chrono::seconds(2));
  // Let the thread that was left behind end before the process does.
  std::vector<char> sink(1 << 16);
  for (int i = 0; i < 200; ++i) {
    if (::read(reader, sink.data(), sink.size()) <= 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::close(reader);
}

TEST_F(File, ManyThreads) {
  options_.queue_lines = 100'000;
  {
    auto logger = *Logger::open(options_);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 500; ++i) write<Event::k_loop_lag>(t, i);
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(logger->dropped(), 0u);
  }
  const std::string text = content();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2000);
}

TEST(Rows, NamesAreUniqueAndPlain) {
  std::set<std::string_view> names;
  for (const Row& row : kRows) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    for (std::size_t i = 0; i < row.size(); ++i) {
      EXPECT_EQ(row.fields[i].find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << row.name;
    }
  }
}

TEST(Levels, Words) {
  Level level = Level::kInfo;
  EXPECT_TRUE(parse_level("error", level));
  EXPECT_EQ(word(level), "error");
  EXPECT_FALSE(parse_level("loud", level));
}

// No content can be passed: a string is no value.
template <class T>
concept Loggable = requires(const T& value) {
  Value(value);
};
static_assert(!Loggable<std::string> && !Loggable<std::string_view> && !Loggable<const char*>);
static_assert(Loggable<int> && Loggable<Name> && Loggable<core::IpAddress>);

}  // namespace
}  // namespace sekisho::log
