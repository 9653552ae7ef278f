#!/usr/bin/perl
# The last server of a mail's way, played by Mail::DKIM and Mail::SPF, without a network: JSON on standard input and output.
#   in:  {records: {name: {TXT: [...], A: [...], MX: [...]}}, mails: [{data (hexadecimal), client, helo, mail_from}]}
#   out: [{dkim: {domain: result}, arc: result, arc_detail: text, spf: result}], in their order
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::Verifier;
use Mail::DKIM::ARC::Verifier;
use Mail::SPF;

my $asked = decode_json(do { local $/; <STDIN> });

{
    package Row;
    sub new { my ($class, $type, $value) = @_; bless {type => $type, value => $value}, $class }
    sub type { $_[0]{type} }
    sub txtdata { $_[0]{value} }
    sub char_str_list { $_[0]{value} }
    sub address { $_[0]{value} }
    sub exchange { $_[0]{value} }
    sub ptrdname { $_[0]{value} }
    package Packet;
    sub answer { @{$_[0]{rows}} }
    sub header { $_[0] }
    sub rcode { $_[0]{rcode} }
    package Zone;
    sub send { my ($self, $name, $type) = @_; bless {main::rows($name, $type)}, 'Packet' }
    sub errorstring { 'NOERROR' }
}
sub rows {
    my ($name, $type) = @_;
    my $at = $asked->{records}{lc $name =~ s/\.$//r};
    return (rcode => $at ? 'NOERROR' : 'NXDOMAIN', rows => [map { Row->new($type, $_) } @{$at ? $at->{$type} || [] : []}]);
}
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub { my %found = rows(@_); $@ = $found{rcode}; return @{$found{rows}} };
}

my @out;
for my $mail (@{$asked->{mails}}) {
    my ($data, %end) = pack('H*', $mail->{data});
    my $dkim = Mail::DKIM::Verifier->new;
    $dkim->PRINT($data);
    $dkim->CLOSE;
    for ($dkim->signatures) {
        my $known = $end{dkim}{$_->domain};
        $end{dkim}{$_->domain} = $_->result if !$known || $known ne 'pass';
    }
    $end{dkim} ||= {};
    my $arc = Mail::DKIM::ARC::Verifier->new;
    $arc->PRINT($data);
    $arc->CLOSE;
    ($end{arc}, $end{arc_detail}) = ($arc->result, $arc->result_detail);
    my $request = Mail::SPF::Request->new(scope => 'mfrom', identity => $mail->{mail_from}, ip_address => $mail->{client}, helo_identity => $mail->{helo});
    $end{spf} = Mail::SPF::Server->new(dns_resolver => bless({}, 'Zone'), hostname => 'far.example')->process($request)->code;
    push @out, \%end;
}
print encode_json(\@out);
