# SPDX-License-Identifier: BSD-3-Clause
# linnet's one Makefile. `make help` lists what it makes.

VARIANT ?= release
HOST    := $(patsubst aarch64,arm64,$(shell uname -m))
ARCH    ?= $(HOST)
BUILD   := build/$(ARCH)-$(VARIANT)
PREFIX  ?= /usr/local

CC := $(if $(filter fuzz clang,$(VARIANT)),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))
# make ARCH=arm64 on another host: Debian's cross compiler and multiarch libraries; tests by QEMU.
ifneq ($(ARCH),$(HOST))
TRIPLET       := $(patsubst arm64,aarch64,$(ARCH))-linux-gnu
CROSS_COMPILE ?= $(TRIPLET)-
RUN           ?= qemu-$(patsubst arm64,aarch64,$(ARCH))
endif
export ARCH
CC := $(if $(filter clang,$(CC)),clang $(if $(TRIPLET),--target=$(TRIPLET)),$(CROSS_COMPILE)$(CC))
PKG_CONFIG := $(if $(TRIPLET),PKG_CONFIG_LIBDIR=/usr/lib/$(TRIPLET)/pkgconfig:/usr/share/pkgconfig) pkg-config

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla \
	-Wundef -Wcast-qual -Wformat=2 -Wno-missing-field-initializers $(WERROR)
FLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_asan    := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_tsan    := -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer
FLAGS_cov     := -O0 --coverage
FLAGS_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FLAGS_clang   := -O0 -g0
SANITIZE := $(filter -fsanitize=% --coverage,$(FLAGS_$(VARIANT)))

PACKAGES := jansson
LOADED   := alsa sndfile fftw3 libzstd liblzma liblz4 zlib liburing # their headers only: vmm/base/library.h. Tests link with them, too
CFLAGS_ALL  = -std=gnu17 -D_GNU_SOURCE -I. -I$(BUILD) -g -pthread -MMD -MP \
	$(WARNINGS) $(FLAGS_$(VARIANT)) $(PACKAGE_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pthread $(SANITIZE) $(LDFLAGS)
PACKAGE_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PACKAGES) $(LOADED))
LIBS        = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -l:libfdt.so.1 -lm # libfdt has no .pc file, and -dev for one architecture at a time
# Init of guests that run a command (linnet run -- CMD), which linnet carries inside: static, with musl.
GUEST_TRIPLET := $(patsubst arm64,aarch64,$(ARCH))-linux-musl
GUEST_CC      := $(CROSS_COMPILE)gcc
GUEST_LIB     := /usr/lib/$(GUEST_TRIPLET)
RUN_INIT_FLAGS = -std=gnu17 -D_GNU_SOURCE -I. -Os -fno-pic -no-pie -fno-asynchronous-unwind-tables -ffunction-sections -static \
	-nostdlib -nostdinc -isystem /usr/include/$(GUEST_TRIPLET) -isystem $(shell $(GUEST_CC) -print-file-name=include) \
	-s -Wl,--gc-sections,--build-id=none,-z,noseparate-code,-z,max-page-size=4096 $(WARNINGS)
# Unit tests make these fail in turn: tests/alloc_fail.h.
WRAPPED := malloc calloc strdup eventfd epoll_create1 epoll_ctl epoll_pwait2 timerfd_create pthread_create mmap mprotect getrandom \
	memfd_create pread accept4 walk_grow open ioctl virtio_command getsockopt setsockopt helper_start helper_end _mark_point
WRAP := $(WRAPPED:%=-Wl,--wrap=%)

# The half of an architecture that makes no ioctls is built, and tested, on every host.
CORE := $(wildcard vmm/*.c vmm/*/*.c virtio/*.c virtio/*/*.c devices/*.c devices/*/*.c devices/snd/*/*.c arch/*.c)
IOCTLS := arch irqchip vcpu cpuid probe time
PURE := $(filter-out $(addprefix %/,$(IOCTLS:%=%.c)),$(wildcard arch/*/*.c))
SRCS := $(CORE) $(wildcard arch/$(ARCH)/*.c)
OBJS := $(SRCS:%.c=$(BUILD)/%.o)
OTHERS := $(foreach other,$(filter-out $(ARCH),x86_64 arm64),$(addprefix tests/arch/$(other)/,$(IOCTLS:%=%_test.c) $(IOCTLS:%=$(other)_%_test.c)))
TEST_SRCS := $(filter-out $(OTHERS),$(sort $(shell find tests -name '*.c' -not -path 'tests/fuzz/*' -not -path 'tests/bench/*' -not -path 'tests/boot/*' -not -path 'tests/rig/*')))
TEST_OBJS := $(TEST_SRCS:%.c=$(BUILD)/%.o)
LIB_OBJS  := $(sort $(filter-out %/vmm/main.o,$(OBJS)) $(PURE:%.c=$(BUILD)/%.o)) $(BUILD)/vmm/run/guest/dhcp.o
FUZZERS   := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))

.PHONY: all help deps demo check unit replay e2e soak kernel-of hostile vtx bench lint headers format install clean cov fuzz matrix compile_commands.json
all: $(BUILD)/linnet ## build linnet (VARIANT=release|asan|tsan|cov|clang|fuzz)

help: ## list targets
	@awk -F ':.*## ' '/^[a-z_.]+:.*## /{printf "  %-22s %s\n", $$1, $$2}' Makefile

deps: ## install what building and testing need (sudo if not root)
	@tests/deps.sh all

$(BUILD)/linnet: $(OBJS)
	@echo 'LD $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/run_init: $(wildcard vmm/run/guest/*.[ch]) vmm/base/base.h Makefile
	@mkdir -p $(@D)
	@echo 'CC $@'
	@$(GUEST_CC) $(RUN_INIT_FLAGS) -o $@ $(addprefix $(GUEST_LIB)/,crt1.o crti.o) $(filter %.c,$^) $(GUEST_LIB)/libc.a -lgcc $(GUEST_LIB)/crtn.o
$(BUILD)/vmm/run/initramfs.o: CFLAGS_ALL += -Wa,-I$(BUILD)
$(BUILD)/vmm/run/initramfs.o: $(BUILD)/run_init

$(BUILD)/%.o: %.c | $(BUILD)/suites.h
	@mkdir -p $(@D)
	@echo 'CC $@'
	@$(CC) $(CFLAGS_ALL) -c -o $@ $<

# What a suite needs besides lies next to it. Every tests/**/x_test.c exports `Suite *x_suite(void)`; tests/main.c runs what is listed here.
SUITES := $(notdir $(patsubst %_test.c,%,$(filter %_test.c,$(TEST_SRCS))))
$(BUILD)/suites.h: $(TEST_SRCS) Makefile
	@mkdir -p $(@D)
	@printf 'SUITE(%s)\n' $(SUITES) > $@

$(BUILD)/unit: $(TEST_OBJS) $(LIB_OBJS)
	@echo 'LD $@'
	@$(CC) $(LDFLAGS_ALL) $(WRAP) -o $@ $^ $(LIBS) $(shell $(PKG_CONFIG) --libs check $(LOADED))

demo: ## do everything: set-up, boot a stock kernel, play a tone, say what was heard
	@tests/demo.sh

check: ## do everything: set-up, unit tests (also under sanitizers), guests; counts at the end (WITHOUT_ARM64=1: nothing of arm64)
	@WITHOUT_ARM64=$(WITHOUT_ARM64) tests/check.sh

unit: $(BUILD)/unit ## unit tests of this VARIANT
	@RUN='$(RUN)' $(if $(RUN),CK_TIMEOUT_MULTIPLIER=20) tests/unit.sh $(VARIANT) $(SUITE)

# A fuzz harness is a libFuzzer program with VARIANT=fuzz, else a program that replays files.
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/%_fuzz.o $(LIB_OBJS) $(if $(filter fuzz,$(VARIANT)),,$(BUILD)/tests/fuzz/replay.o) $(BUILD)/tests/fake_driver.o $(BUILD)/tests/fake_ring.o $(BUILD)/tests/fake_device.o $(BUILD)/tests/fake_front.o $(BUILD)/tests/devices/fs/fs_client.o $(BUILD)/tests/devices/snd/sound_rig.o $(BUILD)/tests/fake_mixer.o $(BUILD)/tests/fake_card.o $(BUILD)/tests/fake_helper.o $(BUILD)/tests/fake_kvm.o $(BUILD)/tests/fake_tap.o $(BUILD)/tests/fake_evdev.o $(BUILD)/tests/fake_vhost.o $(BUILD)/tests/recorded.o
	@echo 'LD $@'
	@$(CC) $(LDFLAGS_ALL) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) $(filter %helper_start %helper_end %=open %ioctl,$(WRAP)) -o $@ $^ $(LIBS) $(shell $(PKG_CONFIG) --libs $(LOADED))

$(BUILD)/snd_load: $(BUILD)/tests/bench/snd_load.o $(LIB_OBJS) $(BUILD)/tests/fake_driver.o $(BUILD)/tests/fake_ring.o $(BUILD)/tests/fake_device.o $(BUILD)/tests/devices/snd/sound_rig.o
	@echo 'LD $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/queue_cost $(BUILD)/irq_cost: $(BUILD)/%: $(BUILD)/tests/bench/%.o $(LIB_OBJS) $(BUILD)/tests/fake_ring.o
	@echo 'LD $@'
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) $(shell $(PKG_CONFIG) --libs $(LOADED))

replay: $(FUZZERS:%=$(BUILD)/fuzz_%) ## run each fuzz harness over its corpus
	@set -e; for f in $(FUZZERS); do $(RUN) $(BUILD)/fuzz_$$f tests/fuzz/corpus/$$f; done

fuzz: ## run each fuzzer for FUZZ_SECONDS (60)
	@tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60) $(FUZZERS)

e2e: all $(BUILD)/unit ## boot stock kernels (in the rig where this host's KVM cannot)
	@tests/boot/run.sh

soak: all $(BUILD)/unit ## boot cases that take long (CASE=disk-fio; many minutes each in the rig)
	@tests/deps.sh build guest soak && tests/soak.sh $(CASE)

kernel-of: all ## build an x86_64 kernel that reads device trees, and boot it with an overlay (3 to 20 minutes)
	@tests/deps.sh build guest kernel && guests/kernel-of.sh && tests/boot/run.sh kernel-6.12-of && cat build/check/boot*/boot/kernel-6.12-of.log

vtx: all build/guests/hostile.elf ## boot stock kernels under VT-x, as Bochs emulates it (x86_64; 10 minutes at first)
	@tests/deps.sh build guest vtx && tests/rig/vtx.sh

bench: all $(BUILD)/snd_load $(BUILD)/queue_cost $(if $(filter x86_64,$(ARCH)),$(BUILD)/irq_cost) ## measure: name value unit
	@tests/bench/run.sh

# The guest of `make hostile`: bare, and without what KVM's emulator does not know.
GUEST_FLAGS := -std=gnu17 -ffreestanding -O2 -g -I. -static -nostdlib -no-pie -fno-pic -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -mno-red-zone -mgeneral-regs-only \
	-Wl,-T,guests/hostile/link.ld,--build-id=none,--no-warn-rwx-segments
build/guests/hostile.elf: $(wildcard guests/hostile/*) Makefile
	@mkdir -p $(@D)
	@echo 'CC $@'
	@$(CC) $(GUEST_FLAGS) $(WARNINGS) -o $@ $(filter %.c %.S,$^)

hostile: build/guests/hostile.elf ## a guest that means harm (SEED=1 ROUNDS=300, VARIANT=asan|tsan)
	@$(MAKE) VARIANT=$(or $(filter tsan,$(VARIANT)),asan) && \
	  VARIANT=$(filter tsan,$(VARIANT)) ROUNDS=$(ROUNDS) tests/hostile/run.sh $(SEED)

matrix: ## virtio rows against the tests that prove them
	@tests/matrix.sh

lint: ## clang-tidy, cppcheck, layers, lone headers, shellcheck
	@tests/lint.sh && tests/lint.sh tidy

# Each header compiled as if it were the first one included.
headers: $(patsubst %,$(BUILD)/%.o,$(filter-out build/% guests/%,$(wildcard */*.h */*/*.h */*/*/*.h)))
$(BUILD)/%.h.o: %.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_ALL) -include $< -c -x c -o $@ /dev/null

format: ## clang-format the sources in place
	@git ls-files '*.[ch]' | xargs clang-format -i

cov: ## line coverage of the unit tests
	@$(MAKE) VARIANT=cov unit && gcov -r -n $$(find build/$(ARCH)-cov -name '*.gcda') 2>/dev/null | tests/cov.sh

compile_commands.json: ## for clangd and clang-tidy
	@for f in $(SRCS) $(TEST_SRCS); do printf '%s{"directory":"%s","file":"%s","command":"cc %s -c %s"}' \
	  "$${sep-[}" "$(CURDIR)" "$$f" '$(filter-out -MMD -MP,$(CFLAGS_ALL))' "$$f"; sep=,; done > $@; echo ']' >> $@

install: all ## install the program under PREFIX (/usr/local)
	install -D -m 755 $(BUILD)/linnet $(DESTDIR)$(PREFIX)/bin/linnet

clean: ## remove what was compiled; keeps downloaded kernels
	rm -rf build/*-release build/*-asan build/*-tsan build/*-cov build/*-clang build/*-fuzz compile_commands.json

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
