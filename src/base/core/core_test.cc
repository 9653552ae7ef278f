#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/core/budget.h"
#include "base/core/clock.h"
#include "base/core/ip_address.h"
#include "base/core/memory.h"
#include "base/core/network.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/core/text.h"
#include "base/core/trusted_now.h"

namespace sekisho::core {
namespace {

struct Leaf {
  std::coroutine_handle<>& out;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) const { out = h; }
  void await_resume() const {}
};

Task<int> ready(int v) { co_return v; }
Task<int> deep(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await deep(n - 1);
}
Task<int> wait_deep(int n, std::coroutine_handle<>& h) {
  if (n == 0) {
    co_await Leaf{h};
    co_return 7;
  }
  co_return co_await wait_deep(n - 1, h);
}
Task<long> loop(int n) {
  long sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await ready(i);
  co_return sum;
}

TEST(Task, ReadyChildrenDoNotGrowTheStack) { EXPECT_EQ(run_ready(loop(1'000'000)), 499999500000L); }
TEST(Task, DepthOfReadyCalls) { EXPECT_EQ(run_ready(deep(1000)), 1000); }

TEST(Task, ASuspendedChainResumesThroughTheTrampoline) {
  std::coroutine_handle<> h;
  auto task = wait_deep(1000, h);
  EXPECT_FALSE(task.start());
  resume(h);
  ASSERT_TRUE(task.done());
  EXPECT_EQ(task.take(), 7);
}

TEST(Task, WhenAllKeepsOrderAndWaitsForTheLast) {
  std::coroutine_handle<> a, b;
  std::vector<Task<int>> tasks;
  tasks.push_back(wait_deep(3, a));
  tasks.push_back(ready(2));
  tasks.push_back(wait_deep(0, b));
  auto all = when_all(std::move(tasks));
  EXPECT_FALSE(all.start());
  resume(b);
  EXPECT_FALSE(all.done());
  resume(a);
  ASSERT_TRUE(all.done());
  EXPECT_EQ(all.take(), (std::vector<int>{7, 2, 7}));
}

TEST(Text, Base64) {
  EXPECT_EQ(base64("a"), "YQ==");
  EXPECT_EQ(unbase64("YQ=="), "a");
  EXPECT_EQ(unbase64("YQ"), "a");
  EXPECT_FALSE(unbase64("Y"));
  EXPECT_FALSE(unbase64("YQ=a"));
  EXPECT_FALSE(unbase64("Y Q="));
  EXPECT_EQ(unbase64("Y\r\n Q==", true), "a");
  EXPECT_FALSE(unbase64("YQ==="));
}
TEST(Text, Base32RoundTripAndIds) {
  SeededRandom random(1);
  const auto id = TransactionId::make(1768435200123, 3, random);
  EXPECT_EQ(id.text().size(), 26u);
  EXPECT_EQ(TransactionId::parse(id.text()), id);
  EXPECT_FALSE(TransactionId::parse("abc"));
}
TEST(Text, Numbers) {
  EXPECT_EQ(parse_uint("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_uint("18446744073709551617"));
  EXPECT_FALSE(parse_uint("-5"));
  EXPECT_FALSE(parse_uint(""));
  EXPECT_FALSE(parse_uint("256", 255));
}
TEST(Text, ClassesOfOctets) {
  int fws = 0, visible = 0, atom = 0, control = 0, ascii = 0;
  for (int octet = 0; octet < 256; ++octet) {
    const char c = static_cast<char>(octet);
    fws += is_fws(c);
    visible += is_vchar(c);
    atom += is_atext(c);
    control += is_control(c);
    ascii += is_ascii(std::string(2, c));
  }
  EXPECT_EQ(fws, 4);       // blank, tab, CR, LF
  EXPECT_EQ(visible, 94);  // 0x21 to 0x7e
  EXPECT_EQ(atom, 81);     // letters, digits and 19 others
  EXPECT_EQ(control, 33);  // 0 to 0x1f and DEL
  EXPECT_EQ(ascii, 128);
  EXPECT_TRUE(is_ascii(""));
  EXPECT_FALSE(is_ascii("a\xc3\xa9"));
}

TEST(IpAddress, ParsesAndMasks) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1"), IpAddress::parse("192.0.2.1"));
  EXPECT_FALSE(IpAddress::parse("192.0.2"));
  EXPECT_FALSE(IpAddress::parse("192.0.2.256"));
  EXPECT_FALSE(IpAddress::parse("[::1]"));
  EXPECT_TRUE(IpAddress::parse("192.0.2.77")->in_prefix(*IpAddress::parse("192.0.2.64"), 26));
  EXPECT_FALSE(IpAddress::parse("192.0.2.7")->in_prefix(*IpAddress::parse("192.0.2.64"), 26));
  EXPECT_TRUE(IpAddress::parse("2001:db8::1")->in_prefix(*IpAddress::parse("2001:db8::"), 32));
  EXPECT_FALSE(IpAddress::parse("2001:db8::1")->in_prefix(*IpAddress::parse("192.0.2.1"), 0));
  EXPECT_EQ(IpAddress::parse("192.0.2.77")->masked(24).text(), "192.0.2.0");
}
TEST(Budget, EmptyStaysEmpty) {
  Budget b;
  b.parts = 3;
  EXPECT_TRUE(b.take_part(2));
  EXPECT_FALSE(b.take_part(2));
  EXPECT_FALSE(b.take_part());
}

TEST(TrustedNow, ALeapIsBelievedOnceItHasLasted) {
  std::vector<std::int64_t> days = {1, 2, 3, 5, 6};
  EXPECT_EQ(trusted_now({}, 400, 14, 7), 400);
  EXPECT_EQ(trusted_now(days, 7, 14, 7), 7);
  EXPECT_EQ(trusted_now(days, 6, 14, 7), 6);
  EXPECT_EQ(trusted_now(days, 20, 14, 7), 20);
  EXPECT_EQ(trusted_now(days, 21, 14, 7), 6);
  EXPECT_EQ(trusted_now(days, 4, 14, 7), 4);  // set back
  for (std::int64_t day = 406; day < 413; ++day) {
    EXPECT_EQ(trusted_now(days, day, 14, 7), day < 412 ? 6 : day) << day;
    days.push_back(day);
  }
  EXPECT_EQ(trusted_now(days, 800, 14, 7), 412);  // a second leap
  EXPECT_EQ(trusted_now(days, 7, 14, 7), 7);      // and back
  days.assign({1, 2, 400, 401});
  EXPECT_EQ(trusted_now(days, 900, 14, 7), 2);  // two leaps that nobody proved
}

TEST(Network, WhomAnAddressCanBeReachedBy) {
  const std::pair<Reach, std::vector<const char*>> cases[] = {
      {Reach::kPublic,
       {"192.0.2.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "223.255.255.255", "2001:db8::1", "64:ff9b::192.0.2.1",
        "3fff::1"}},
      {Reach::kPrivate,
       {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1", "fec0::1",
        "::ffff:10.1.2.3"}},
      {Reach::kLoopback, {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"}},
      {Reach::kUnspecified, {"0.0.0.0", "0.1.2.3", "::"}},
      {Reach::kLinkLocal, {"169.254.169.254", "fe80::1"}},
      {Reach::kMulticast, {"224.0.0.1", "239.1.1.1", "ff02::1"}},
      {Reach::kReserved, {"240.0.0.1", "255.255.255.255", "::2", "::127.0.0.1", "4000::1"}}};
  for (const auto& [reach, addresses] : cases)
    for (const char* text : addresses) EXPECT_EQ(word(reach_of(*IpAddress::parse(text))), word(reach)) << text;
}

TEST(Memory, TheLeastOfMachineAndGroupsCounts) {
  const std::string root = testing::TempDir() + "memory-root";
  const auto put = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  };
  std::filesystem::remove_all(root);
  EXPECT_EQ(memory_allowed_bytes(root), 0u);
  put("/proc/meminfo", "MemTotal:        1000 kB\nMemFree: 5 kB\n");
  EXPECT_EQ(memory_allowed_bytes(root), 1'024'000u);
  put("/proc/self/cgroup", "0::/system.slice/sekisho.service\n");
  put("/sys/fs/cgroup/system.slice/sekisho.service/memory.max", "max\n");
  EXPECT_EQ(memory_allowed_bytes(root), 1'024'000u);
  put("/sys/fs/cgroup/system.slice/memory.max", "500000\n");
  EXPECT_EQ(memory_allowed_bytes(root), 500'000u);
  put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "700000\n");
  EXPECT_EQ(memory_allowed_bytes(root), 700'000u);
  EXPECT_GT(memory_allowed_bytes(), 0u);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace sekisho::core
