#include "base/log/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/syslog_sink.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/core/text.h"

namespace sekisho::log {
namespace {

constexpr std::size_t kLongestValue = 200;
constexpr auto kLastSecond = std::chrono::seconds(1);

struct Line {
  Level level;
  std::chrono::system_clock::time_point when;  // of the event, not of the writing
  std::string text;
};

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

// The name=value form is read by programs: what would break it stands in quotes.
std::string quoted(std::string_view outside) {
  std::string text = core::printable(outside, kLongestValue);
  if (!text.empty() && text.find_first_of(" =\"") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

// Not by stdio: a thread that waits in a write to a full pipe would hold the stream's lock, and exit(), which flushes
// the stream, would never end.
class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    for (std::size_t done = 0; done < line.size();) {
      const ssize_t wrote = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return;
      done += static_cast<std::size_t>(wrote);
    }
  }
  void flush_() override {}
};

spdlog::sink_ptr make_sink(const Options& options) {
  switch (options.sink) {
    case Sink::kStderr:
      return std::make_shared<StderrSink>();
    case Sink::kFile:
      return std::make_shared<spdlog::sinks::basic_file_sink_st>(options.path);
    case Sink::kSyslog:
      break;
  }
  return std::make_shared<spdlog::sinks::syslog_sink_st>("sekisho", LOG_PID, LOG_MAIL, false);
}

// spdlog throws when a file cannot be opened; the exception ends here.
std::shared_ptr<spdlog::logger> make_logger(const Options& options) {
  try {
    auto logger = std::make_shared<spdlog::logger>("sekisho", make_sink(options));
    logger->set_level(spdlog::level::trace);
    logger->set_pattern(options.sink == Sink::kSyslog ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                        spdlog::pattern_time_type::utc);
    logger->set_error_handler([](const std::string&) {});
    return logger;
  } catch (const spdlog::spdlog_ex&) {
    return nullptr;
  }
}

}  // namespace

struct Logger::State {
  explicit State(Options o) : options(std::move(o)), level(options.level) {}

  void push(Line line) {
    {
      const std::lock_guard lock(mutex);
      if (queue.size() >= options.queue_lines) {
        dropped.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      queue.push_back(std::move(line));
    }
    wake.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) break;
      std::deque<Line> batch;
      batch.swap(queue);
      lock.unlock();
      write(batch);
      lock.lock();
    }
    done = true;
    ended.notify_all();
  }

  void write(const std::deque<Line>& batch) {
    if (reopen.exchange(false)) {
      if (auto fresh = make_logger(options)) sink = std::move(fresh);
    }
    for (const Line& line : batch) sink->log(line.when, spdlog::source_loc{}, spdlog_level(line.level), line.text);
    const std::uint64_t lost = dropped.load(std::memory_order_relaxed);
    if (lost != told) {
      constexpr const Row& kRow = kRows[static_cast<std::size_t>(Event::k_lines_dropped)];
      sink->log(spdlog_level(kRow.level), std::string(kRow.name) + " lines_count=" + std::to_string(lost - told));
      told = lost;
    }
    sink->flush();
  }

  Options options;
  std::shared_ptr<spdlog::logger> sink;  // the writer thread's own
  std::uint64_t told = 0;                // the writer thread's own
  std::atomic<Level> level;
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<bool> reopen{false};
  std::mutex mutex;  // guards what follows
  std::condition_variable wake, ended;
  std::deque<Line> queue;
  bool stopping = false, done = false;
};

namespace {

std::mutex current_mutex;
Logger* current = nullptr;  // guarded by current_mutex
std::atomic<int> lowest{static_cast<int>(Level::kError) + 1};

}  // namespace

std::string_view word(Level level) {
  static constexpr std::array<std::string_view, 4> kWords = {"debug", "info", "warning", "error"};
  return kWords[static_cast<std::size_t>(level)];
}

bool parse_level(std::string_view text, Level& level) {
  for (const Level one : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    if (word(one) == text) return level = one, true;
  }
  return false;
}

Value::Value(Name name) : text_(quoted(name.text)) {}

Logger::Logger(std::shared_ptr<State> state) : state_(std::move(state)) {
  const std::lock_guard lock(current_mutex);
  current = this;
  lowest = static_cast<int>(state_->level.load());
}

core::Result<std::unique_ptr<Logger>, LogError> Logger::open(Options options) {
  auto state = std::make_shared<State>(std::move(options));
  state->sink = make_logger(state->options);
  if (!state->sink) return core::error(LogError::kOpen);
  std::thread([state] { state->run(); }).detach();
  return std::unique_ptr<Logger>(new Logger(std::move(state)));
}

Logger::~Logger() {
  {
    const std::lock_guard lock(current_mutex);
    if (current == this) {
      current = nullptr;
      lowest = static_cast<int>(Level::kError) + 1;
    }
  }
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_one();
  // The thread keeps its share of the state, so leaving it behind a blocked sink is safe.
  state_->ended.wait_for(lock, kLastSecond, [this] { return state_->done; });
}

void Logger::reopen() { state_->reopen = true; }

void Logger::set_level(Level level) {
  const std::lock_guard lock(current_mutex);
  state_->level = level;
  if (current == this) lowest = static_cast<int>(level);
}

std::uint64_t Logger::dropped() const { return state_->dropped.load(std::memory_order_relaxed); }

bool enabled(Level level) { return static_cast<int>(level) >= lowest.load(std::memory_order_relaxed); }

std::uint64_t dropped() {
  const std::lock_guard lock(current_mutex);
  return current ? current->dropped() : 0;
}

void put(const Row& row, std::span<const Value> values) {
  std::string text(row.name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    text.push_back(' ');
    text.append(row.fields[i]).push_back('=');
    text.append(values[i].text());
  }
  const std::lock_guard lock(current_mutex);  // keeps the logger alive while the line is queued
  Logger* const logger = current;
  if (logger) logger->state_->push({row.level, std::chrono::system_clock::now(), std::move(text)});
}

}  // namespace sekisho::log
