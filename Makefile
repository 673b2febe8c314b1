# One line per target; README describes what they do.
.PHONY: build dev prod docker container-start container-stop container-status image push deploy apply rollback kept-images-load kept-images-save handover-load handover-save test test-full test-faults fuzz ci bench clean help
.DEFAULT_GOAL := help

override LOG := target/lambda/lambda/build.log
# Cargo does not show what a build script prints, so the end of its log says how the run went.
override LAST_RUN := if [ $(LOG) -nt target/started ]; then awk '/^cache-/ { t = "" } { t = t $$0 "\n" } END { printf "%s", t }' $(LOG); \
	else echo "cache-hit: cargo saw nothing to do"; fi

build: ## package the function: lambda-deployment.zip; FORCE=1 packages again, also in the targets below
	@mkdir -p target && touch target/started
	cargo build --release
	@$(LAST_RUN)

dev: ## the same, unoptimised and incremental: the fastest way from edit to zip
	@mkdir -p target && touch target/started
	LAMBDA_PACKAGER_MODE=dev cargo build --release
	@$(LAST_RUN)

prod: ## the smallest package, from the clean room, and the image that runs it
	@docker/build-lambda.sh prod

docker: ## the same, and rebuild every layer
	@docker/build-lambda.sh docker

container-start: ## start the builder container; create it if it is missing
	@docker/dev-container.sh start

container-stop: ## stop the builder container; its caches are kept
	@docker/dev-container.sh stop

container-status: ## show its status; make reports `Error 3` if it is stopped, `Error 4` if there is none
	@docker/dev-container.sh status

PACKAGER ?= docker/lambda-packager
ENV ?= preprod
PACKAGE ?= image
# What stands in a variable is never a command: make takes the words as they are, and only the shell puts them into a line.
SETTINGS := PACKAGER ENV PACKAGE REGISTRY TAG IMAGE STATE_BUCKET ARCHIVE FORCE
SETTINGS += $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
$(foreach name,$(sort $(SETTINGS)),$(eval override $(name) := $$(value $(name))))
override OF_IMAGE := --env "$$ENV" $${REGISTRY:+--registry "$$REGISTRY"}
override OF_ARCHIVE := $${ARCHIVE:+--archive "$$ARCHIVE"}
ifneq ($(filter-out 0,$(FORCE)),)
export LAMBDA_PACKAGER_FORCE := 1
endif
export $(SETTINGS)

image: ## make the function's image in docker or podman, or in a file: ENV=preprod|prod ARCHIVE=target/image.tar
	@"$$PACKAGER" image build $(OF_IMAGE) $(OF_ARCHIVE)

push: ## the same, and push it: REGISTRY=123456789012.dkr.ecr.eu-central-1.amazonaws.com; or one that is in ARCHIVE=target/image.tar
	@"$$PACKAGER" image push $(OF_IMAGE) $(OF_ARCHIVE)

deploy: ## the same, then terraform apply: PACKAGE=image|zip
	@TAG= IMAGE= infra/deploy

apply: ## only terraform apply, of an image that was pushed: IMAGE=registry/repository@sha256:...
	@test -n "$$IMAGE" || { echo "which image? IMAGE=registry/repository@sha256:..., as make push prints it" >&2; exit 2; }
	@TAG= infra/deploy

rollback: ## roll back to an image that was pushed before, then terraform apply: TAG=preprod-...
	@test -n "$$TAG" || { "$$PACKAGER" image list $(OF_IMAGE) >&2; echo "which one? TAG=..." >&2; exit 2; }
	@IMAGE= infra/deploy

kept-images-load: ## load the images that another machine saved, from target/kept-images.tar; for pipelines
	@docker/kept-images load

kept-images-save: ## save the builder image and the compiled dependencies, for kept-images-load
	@docker/kept-images save

# The programs that the next job runs keep their permissions, which the artifacts of a pipeline do not.
override HANDOVER := target/handover.tar

handover-save: ## put the image of make image ARCHIVE=target/image.tar and the packager into one file; for pipelines
	@tar -cf $(HANDOVER) target/image.tar target/release/lambda-packager

handover-load: ## unpack that file on another machine, for make push ARCHIVE=target/image.tar
	@tar -xf $(HANDOVER)

test: ## all tests, with few cases each; those with containers need docker and podman
	@tests/run

test-full: ## all tests with all cases, half an hour and more: before an issue is called resolved, and each night
	@PACKAGER_TESTS=full tests/run

test-faults: ## of all cases the fault matrix alone, as a table; FAULTS=paused for those of that name
	@PACKAGER_TESTS=full tests/run --test it faults::every_fault

fuzz: ## of all cases those of damaged files and answers alone, a million each, optimised
	@PACKAGER_TESTS=full cargo test --release -p lambda-packager -p lambda-packager-cli --lib --bins damaged

ci: ## what CI does: installs what the tests need (Debian), checks, builds, tests
	@.ci/run

bench: ## measure the figures of docs/benchmarks.md, about 40 minutes
	cargo bench --bench figures

clean: ## remove everything that was built, and this project's container
	@docker/lambda-packager clean --all
	cargo clean
	rm -f lambda-deployment.zip

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
