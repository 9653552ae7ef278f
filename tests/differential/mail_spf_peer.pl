#!/usr/bin/perl
# Mail::SPF as a program: a request a line, an answer a line, no network.
#   request: scope TAB identity TAB client TAB HELO TAB habits TAB {name TAB type TAB value}; names and values in hexadecimal,
#            MX values as they stand, a type with "!" in front does not answer
#   answer:  result TAB text; "crash" is an exception that leaves the package
# habits: names joined by ",", see below; each one replaces what the package does by what we read in the standard.
use strict;
use warnings;
use Mail::SPF;
use Mail::SPF::v1::Record;    # loaded before its parts are replaced
use Mail::SPF::v2::Record;

{
    package Zone;    # stands in for the resolver: follows CNAME as a recursive server does
    sub new { my ($class, @rows) = @_; my $self = bless {rows => {}, faults => {}}, $class; $self->add(splice @rows, 0, 3) while @rows; $self }
    sub add {
        my ($self, $name, $type, $value) = @_;
        if ($type =~ s/^!//) { $self->{faults}{"$name $type"} = 1; return }
        push @{$self->{rows}{$name}}, Row->new($type, $value);
    }
    sub errorstring { $_[0]{error} }
    sub send {
        my ($self, $name, $type) = @_;
        my (@answer, $known);
        $self->{error} = 'NOERROR';
        for (1 .. 8) {
            if ($self->{faults}{"$name $type"}) { $self->{error} = 'timeout'; return }
            my $rows = $self->{rows}{$name};
            $known = defined $rows;
            my @found = grep { $_->type eq $type } @{$rows || []};
            push @answer, @found;
            last if @found;
            my ($alias) = grep { $_->type eq 'CNAME' } @{$rows || []};
            last if !$alias;
            push @answer, $alias;
            $name = lc $alias->{value};
        }
        return Packet->new($known ? 'NOERROR' : 'NXDOMAIN', @answer);
    }
    package Packet;
    sub new { my ($class, $rcode, @answer) = @_; bless {rcode => $rcode, answer => \@answer}, $class }
    sub answer { @{$_[0]{answer}} }
    sub header { $_[0] }
    sub rcode { $_[0]{rcode} }
    package Row;
    sub new { my ($class, $type, $value) = @_; bless {type => $type, value => $value}, $class }
    sub type { $_[0]{type} }
    sub char_str_list { $_[0]{value} }
    sub address { $_[0]{value} }
    sub ptrdname { $_[0]{value} }
    sub exchange { $_[0]{value} }
}

our %on;      # the habits of this request
our $void;    # a query of this term has found nothing
our $ptr;      # it is a ptr: of its queries only that of the reverse name counts
our $quiet;   # inside %{p}, where nothing is counted

# What a record's text says when it is read as we do.
sub reading {
    my ($text) = @_;
    $text =~ s{^(spf2\.0/[^ ]*)}{\L$1}i if $on{'scope in another letter case'};
    $text =~ s{(%\{[a-zA-Z]\d*)R}{$1r}g if $on{'R in a macro'};
    $text =~ s{%\{([a-zA-Z]0+[^0-9])}{%($1}g if $on{q(zero as a macro's digit)};
    $text =~ s{%\{([^slodiphv])}{%($1}gi if $on{'letters that are no macro here'};
    $text =~ s{( [+?~-]?(?:a|mx):)/}{$1%(/}gi if $on{'colon without a name'};
    if ($on{'unknown scope'} && $text =~ m{^spf2\.0/([^ ,]+(?:,[^ ,]+)+)(?= |$)}i && !grep { !/^[a-z][\w.-]*$/i } split /,/, $1) {
        my @known = grep { /^(?:mfrom|pra)$/i } split /,/, $1;
        my $scopes = join ',', @known;
        $text =~ s{^(spf2\.0/)[^ ]+}{$1$scopes}i if @known;
    }
    return $text;
}

sub replaced {
    my ($name, $habit, $code) = @_;
    no strict 'refs';
    no warnings 'redefine';
    my $old = \&$name;
    *$name = sub { $on{$habit} ? $code->($old, @_) : $old->(@_) };
}

sub speaks { my ($text, $scope) = @_; $text =~ m{^spf2\.0/((?:mfrom|pra)(?:,(?:mfrom|pra))*)(?: |$)}i && grep { lc eq $scope } split /,/, $1 }

{
    no warnings 'redefine';
    my $all = \&Mail::SPF::Server::get_acceptable_records_from_packet;
    *Mail::SPF::Server::get_acceptable_records_from_packet = sub {
        my ($self, $packet, $type, $versions, $scope, $domain) = @_;
        my @texts = map { Row->new($type, reading($_->char_str_list)) } grep { $_->type eq $type } $packet->answer;
        @texts = grep { $_->char_str_list !~ m{^spf2\.0/}i || speaks($_->char_str_list, $scope) } @texts if $on{'fault in a record of another scope'};
        @texts = grep { $_->char_str_list !~ m{^v=spf1(?: |$)}i } @texts
            if $on{'v=spf1 beside spf2.0'} && ($scope eq 'pra' || grep { speaks($_->char_str_list, $scope) } @texts);
        return $all->($self, Packet->new('NOERROR', @texts), $type, $versions, $scope, $domain);
    };
    my $look = \&Mail::SPF::Server::dns_lookup;
    *Mail::SPF::Server::dns_lookup = sub {
        my ($self, $domain, $type) = @_;
        if ($on{'name that nobody can ask'}) {
            my $name = ref $domain ? $domain->expand : $domain;
            $name =~ s/\.$//;
            $name =~ s/^[^.]*\.// while length $name > 253 && $name =~ /\./;
            return Packet->new('NXDOMAIN') if !length $name || grep { !length || length > 63 } split /\./, $name, -1;
            return Packet->new('NXDOMAIN') if ref $domain && $domain->text =~ /%\{/ && $domain->text !~ /%_/ && $name =~ /[^!-~]/;
        }
        my $packet = $look->($self, $domain, $type);
        $void = 1 if !$quiet && (!$ptr || $type eq 'PTR') && !grep { $_->type eq $type } $packet->answer;
        return $packet;
    };
}
replaced('Mail::SPF::Server::select_record', 'PRA in a missing domain', sub {
    my ($old, $self, $request) = @_;
    my $packet = $request->scope eq 'pra' && !$request->{root_request} ? $self->dns_lookup($request->authority_domain, 'TXT') : undef;
    $self->throw_result('fail', $request, 'no such domain') if $packet && $packet->rcode eq 'NXDOMAIN';
    return $old->($self, $request);
});
# Once for each term that finds nothing.
replaced('Mail::SPF::Server::count_void_dns_lookup', 'void look-ups', sub { });
for my $term (qw(A MX PTR Exists)) {
    no warnings 'redefine';
    no strict 'refs';
    my $name = "Mail::SPF::Mech::${term}::match";
    my $old = \&$name;
    *$name = sub {
        local ($void, $ptr) = (0, $term eq 'PTR');
        my $match = $old->(@_);
        if ($on{'void look-ups'} && $void && !$match) {
            local $on{'void look-ups'} = 0;
            $_[1]->count_void_dns_lookup($_[2]);
        }
        return $match;
    };
}
replaced('Mail::SPF::Util::valid_domain_for_ip_address', '%{p} in the limits', sub {
    my ($old, $self, $server, $request, @more) = @_;
    return $old->($self, $server, $request, @more) if !$more[3];
    $server->count_dns_interactive_term($request) if !$request->root_request->state('p')++;
    local $quiet = 1;
    local $on{'void look-ups'} = 1;
    return $old->($self, $server, $request, @more);
});
replaced('Mail::SPF::Mech::PTR::match', 'fault in the reverse zone', sub {
    my ($old, @all) = @_;
    my $match = eval { $old->(@all) };
    die $@ if $@ && !UNIVERSAL::isa($@, 'Mail::SPF::EDNSError');
    return $match;
});
replaced('Mail::SPF::Mech::MX::match', 'more than ten MX', sub {
    my ($old, $self, $server, $request) = @_;
    my @hosts = eval { grep { $_->type eq 'MX' } $server->dns_lookup($self->domain($server, $request), 'MX')->answer };
    return $old->($self, $server, $request) if @hosts <= 10;
    $server->count_dns_interactive_term($request);
    $server->throw_result('permerror', $request, 'more than ten MX');
});
replaced('Mail::SPF::Mod::Redirect::process', 'redirect that is not followed', sub {
    my ($old, $self, $server, $request, $result) = @_;
    return $old->($self, $server, $request, $result) if $result->isa('Mail::SPF::Result::NeutralByDefault');
});
replaced('Mail::SPF::Mech::IP6::match', 'ip6 and IPv4 clients', sub {
    my ($old, $self, $server, $request) = @_;
    return $request->ip_address->version == 6 && $old->($self, $server, $request);
});
replaced('Mail::SPF::Term::parse_domain_spec', 'upper case of a macro', sub {
    my ($old, $self, $required) = @_;
    my ($spec) = $self->{parse_text} =~ /^(${\$self->domain_spec_pattern})/;
    $old->($self, $required);
    $self->{domain_spec} = Mail::SPF::MacroString->new(text => $spec =~ s/\.$//r) if defined $spec;
});

sub result_of {
    my ($scope, $identity, $client, $helo, $zone) = @_;
    my $server = Mail::SPF::Server->new(dns_resolver => $zone, hostname => 'unknown');
    my $request = Mail::SPF::Request->new(scope => $scope, identity => $identity, ip_address => $client, helo_identity => $helo);
    return $server->process($request);
}

$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($scope, $identity, $client, $helo, $habits, @rows) = split /\t/, $line, -1;
    $_ = pack 'H*', $_ for $identity, $helo;
    for (my $at = 0; $at < @rows; $at += 3) { $_ = pack 'H*', $_ for @rows[$at, $at + 2] }
    $quiet = 0;
    %on = map { $_ => 1 } split /,/, $habits;
    my $result = eval { result_of($scope, $identity, $client, $helo, Zone->new(@rows)) };
    my ($word, $text) = $result ? ($result->code, $result->text) : ('crash', ref $@ ? ref($@) . ': ' . $@->text : $@);
    $word = 'neutral' if $word eq 'neutral-by-default';
    $text =~ s/[\r\n\t]+/ /g;
    print "$word\t$text\n";
}
