// BDAT (RFC 3030): octets are counted, so every one of a chunk belongs to it, also of a refused one.
#include <algorithm>

#include "mail/smtp/server.h"

namespace sekisho::smtp {

std::optional<Action> Server::run_bdat(std::string_view argument) {
  const auto chunk = parse_bdat(argument);
  if (!chunk) {
    // The chunk follows without waiting, and nobody knows how long it is.
    say_and_end("501 5.5.4 Syntax: BDAT size [LAST]\r\n");
    return std::nullopt;
  }
  if (const auto* envelope = std::get_if<Envelope>(&state_); envelope && envelope->accepted > 0) {
    DataLimits limits = settings_.data;
    limits.size_bytes = offered_.size_limit_bytes;
    due_ = envelope->accepted;
    const std::uint64_t hint = envelope->parameters.size.value_or(chunk->last ? chunk->size_bytes : 0);
    state_ = Chunked{DataReader(limits, OctetLease(&pool_), hint)};
  }
  if (auto* chunked = std::get_if<Chunked>(&state_)) return begin_chunk(*chunked, *chunk);
  refuse_chunk(*chunk);
  return std::nullopt;
}

std::optional<Action> Server::begin_chunk(Chunked& chunked, const BdatCommand& chunk) {
  if (chunked.data.would_be_endless(chunk.size_bytes)) {
    refuse_and_end(DataFault::kTooBig);
    return std::nullopt;
  }
  chunked.data.expect_chunk(chunk.size_bytes);
  chunked.size = chunked.left = chunk.size_bytes;
  chunked.last = chunk.last;
  chunked.open = true;
  return chunked.left == 0 ? end_of_chunk(chunked) : std::nullopt;
}

std::optional<Action> Server::read_chunk(Chunked& chunked, std::string_view& input) {
  const std::string_view octets = input.substr(0, std::min<std::uint64_t>(chunked.left, input.size()));
  input.remove_prefix(octets.size());
  chunked.left -= octets.size();
  chunked.data.feed_chunk(octets);
  return chunked.left == 0 ? end_of_chunk(chunked) : std::nullopt;
}

std::optional<Action> Server::end_of_chunk(Chunked& chunked) {
  chunked.open = false;
  if (chunked.last) {
    chunked.data.finish_chunks();
    return end_of_data(chunked.data, true);
  }
  const DataFault fault = chunked.data.fault();
  if (fault == DataFault::kNone) {
    if (chunked.size > 0 || count_junk()) say("250 2.0.0 Ok, more\r\n");
    return std::nullopt;
  }
  // RFC 3030 section 2: the reply comes after the chunk, and the transaction has failed with it.
  reset_ = true;
  state_ = Failed{chunked.data.seen()};
  refuse_message(fault, true);
  return std::nullopt;
}

void Server::refuse_chunk(const BdatCommand& chunk) {
  Discarding out{chunk.size_bytes, chunk.size_bytes, 0, "503 5.5.1 Send MAIL first\r\n", Then::kReady, false};
  if (std::holds_alternative<Greeted>(state_)) {
    out.refusal = "503 5.5.1 Send EHLO first\r\n";
    out.then = Then::kGreeted;
  } else if (const auto* envelope = std::get_if<Envelope>(&state_)) {
    out.refusal = envelope->tried ? "554 5.5.1 No valid recipients\r\n" : "503 5.5.1 Send RCPT first\r\n";
    // A chunk is lost: were the next ones taken, the message would be a part of one.
    out.then = chunk.last ? Then::kReady : Then::kFailed;
    reset_ = true;
  } else if (const auto* failed = std::get_if<Failed>(&state_)) {
    out.refusal = "503 5.5.1 The message was refused already\r\n";
    out.then = chunk.last ? Then::kReady : Then::kFailed;
    out.before = failed->discarded;
    out.again = true;
  }
  if (out.before > settings_.data.discard_bytes || out.size > settings_.data.discard_bytes - out.before)
    return say_and_end("552 5.3.4 Message size exceeds the limit\r\n");
  state_ = out;
  if (out.left == 0) end_of_discard(out);
}

void Server::discard(Discarding& discarding, std::string_view& input) {
  const std::size_t octets = std::min<std::uint64_t>(discarding.left, input.size());
  input.remove_prefix(octets);
  discarding.left -= octets;
  if (discarding.left == 0) end_of_discard(discarding);
}

void Server::end_of_discard(Discarding done) {
  if (done.then == Then::kGreeted)
    state_ = Greeted{};
  else if (done.then == Then::kReady)
    state_ = Ready{};
  else
    state_ = Failed{done.before + done.size};
  // Those who pipelined could not know of the refusal, so it is no error of theirs.
  if (!done.again) return refuse(done.refusal);
  if (count_junk()) say(done.refusal);
}

}  // namespace sekisho::smtp
