# Runs a command as root or a user of a sandbox. Its root is an overlay made of folders here; or,
# with join=PID, the command goes to where that process is.
#
#   perl enter.pl NAME=VALUE... -- VARIABLE=VALUE... -- COMMAND ARGUMENT...
#
# One small process does what would take seven programs (setpriv, unshare, mount, ip, hostname,
# umount, env), and so takes a third of their time. The farm says which system call has which
# number here. Flags and structures are those of Linux on every architecture that Debian has.
use strict;

# A signal ends this process only then: what the command ends with is always an exit status.
$SIG{__DIE__} = sub {
    print STDERR @_;
    kill 'USR1', $$;
    exit 1;                                      # the first process in there is deaf to it
};

my %given = map { split /=/, $_, 2 } words();
my %variables = map { split /=/, $_, 2 } words();
my @command = @ARGV;
my %numbers = split /[=,]/, $given{calls};

sub words {
    my @words;
    while (@ARGV) {
        my $word = shift @ARGV;
        return @words if $word eq '--';
        push @words, $word;
    }
    die "The words end before the command.\n";
}

sub call {
    my ($name, @arguments) = @_;
    return if syscall($numbers{$name}, @arguments) >= 0;
    my $shown = join ', ', grep { !/\0/ } @arguments;
    die "$name($shown): $!\n";
}

sub become {
    my ($id) = @_;
    $( = $id;
    $) = "$id $id";    # setgroups(2) too
    $< = $> = $id;
    die "cannot become $id: $!\n" if "$< $> $( $)" ne "$id $id $id $id $id $id";
}

# Dies when the process dies that started this one: prctl(2), PR_SET_PDEATHSIG, SIGKILL.
# Forgotten whenever a process changes its ids.
sub die_with_parent { call('prctl', 1, 9, 0, 0, 0) }

# 1. Into the user namespace, and out of all that is the caller's.
my @others = map { opened("/proc/$given{join}/ns/$_") } split /,/, $given{others} // '';
call('setns', fileno opened($given{namespace}), 0x10000000);    # CLONE_NEWUSER
become(0);
die_with_parent();
exit 1 if $given{caller} && getppid != $given{caller};    # it was dead before
# Keys that the caller's session holds stay there. A container may forbid this call; then there is
# nothing to hold them either. KEYCTL_JOIN_SESSION_KEYRING
syscall($numbers{keyctl}, 1, 0);
if ($given{join}) {
    call('setns', fileno $_, 0) for @others;
} else {
    # CLONE_NEWNS, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET
    call('unshare', 0x20000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000);
}

# 2. The first process in there. Nobody inside may trace it: it was started outside.
pipe my $alive, my $life or die "pipe: $!\n";
pipe my $entered, my $entry or die "pipe: $!\n";
my $first = fork // die "fork: $!\n";
if ($first) {
    close $_ for $alive, $entry;
    waitpid $first, 0;
    my $status = $?;
    kill 'USR1', $$ if !sysread $entered, my $byte, 1;
    exit status($status);
}
close $_ for $life, $entered;
die_with_parent();
vec(my $bits, fileno $alive, 1) = 1;
exit 1 if select $bits, undef, undef, 0;         # it was dead before
close $alive;
$0 = 'farm';                                     # what ps(1) shows inside

# 3. Its root, and nothing of the host's.
make_root() if !$given{join};
call('setrlimit', 4, pack 'L!2', 0, 0);          # RLIMIT_CORE
call('setrlimit', 1, pack 'L!2', ($given{filesize}) x 2) if $given{filesize};    # _FSIZE
call('setrlimit', 6, pack 'L!2', ($given{processes}) x 2);                       # _NPROC
umask 022;
chdir $given{directory} or die "$given{directory}: $!\n";
syswrite $entry, '.';
close $entry;

# 4. The command. The first process of all reaps the orphans, which no program expects of itself.
run_command() if $given{join};
my $child = fork // die "fork: $!\n";
run_command() if !$child;
while ((my $ended = wait) > 0) {
    exit status($?) if $ended == $child;
}

sub opened {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    return $file;
}

sub make_root {
    call('mount', 'none', '/', '', 0x4000 | 0x40000, '');    # MS_REC, MS_PRIVATE
    # The mount before was volatile too: it leaves a sign that a power cut may have taken its data.
    unlink 'work/work/incompat/volatile/dirty';
    rmdir "work/work$_" for '/incompat/volatile', '/incompat', '';
    for (split /\n/, $given{mounts}) {
        my ($what, $where, $type, $flags, $options) = split / /;
        call('mount', $what, $where, $type, $flags + 0, $options // '');
    }
    socket my $socket, 2, 2, 0 or die "socket: $!\n";        # AF_INET, SOCK_DGRAM
    my $up = pack 'a16 s x22', 'lo', 0x1 | 0x8;              # IFF_UP, IFF_LOOPBACK
    ioctl $socket, 0x8914, $up or die "lo: $!\n";            # SIOCSIFFLAGS
    close $socket;
    call('sethostname', $given{host}, length $given{host});
    chdir 'root' or die "root: $!\n";
    call('pivot_root', '.', 'mnt');
    call('umount2', 'mnt', 2);                               # MNT_DETACH
}

sub run_command {
    if ($given{terminal}) {
        call('setsid');
        ioctl STDIN, 0x540E, 0 or die "terminal: $!\n";      # TIOCSCTTY
    }
    become($given{user});
    die_with_parent() if $given{join};
    # Whoever starts the farm in the background, or with nohup(1), ignores some.
    $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT PIPE TERM CHLD USR1 USR2);
    %ENV = %variables;
    exec { $command[0] } @command or print STDERR "$command[0]: $!\n";
    exit 127;
}

sub status {
    my ($wait) = @_;
    return $wait & 127 ? 128 + ($wait & 127) : $wait >> 8;
}
