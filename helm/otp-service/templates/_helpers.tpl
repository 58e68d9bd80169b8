{{- define "otp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Call with (list . "component"): what selects pods never changes, so upgrades need no new Deployment. */}}
{{- define "otp.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Call with (list . "component"), and further labels if there are some. */}}
{{- define "otp.labels" -}}
{{- $root := index . 0 -}}
{{- if not (hasKey $root.Values "upgradeCheck") -}}
{{- fail "these are the defaults of an older chart, which --reuse-values keeps: use --reset-then-reuse-values in its place" -}}
{{- end -}}
{{- $own := dict "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version) -}}
{{- $more := dict -}}
{{- if gt (len .) 2 }}{{ $more = index . 2 }}{{ end -}}
{{- toYaml (mergeOverwrite (dict) $root.Values.commonLabels $more $own (include "otp.selector" . | fromYaml)) -}}
{{- end -}}

{{/* The same for pods: without what changes from version to version, and with what selects them on top of all else. */}}
{{- define "otp.podLabels" -}}
{{- $values := (index . 0).Values -}}
{{- toYaml (mergeOverwrite (dict) $values.commonLabels $values.podLabels (include "otp.selector" . | fromYaml)) -}}
{{- end -}}

{{/* Named by its content, so that pods of before keep theirs while others start. */}}
{{- define "otp.configName" -}}
{{- printf "%s-%s" (include "otp.fullname" .) (toToml .Values.config | sha256sum | trunc 8) -}}
{{- end -}}

{{/* Whether some Secret becomes environment variables; without one, secrets are files that `config` names. */}}
{{- define "otp.hasSecret" -}}
{{- if or .Values.secret.existing .Values.secret.values }}yes{{ end -}}
{{- end -}}

{{- define "otp.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* `ofHook` is set for what runs before an upgrade, when the release's own Secrets are still those of the old values. */}}
{{- define "otp.secretName" -}}
{{- .Values.secret.existing | default (printf "%s%s" (include "otp.fullname" .) (.ofHook | default "")) -}}
{{- end -}}

{{- define "otp.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "otp.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* What no single value can know; the words end in the terminal of whoever installs. */}}
{{- define "otp.check" -}}
{{- $redis := 0 -}}
{{- if .Values.redis.url }}{{ $redis = add $redis 1 }}{{ end -}}
{{- if .Values.redis.existingSecret.name }}{{ $redis = add $redis 1 }}{{ end -}}
{{- if .Values.redis.bundled.enabled }}{{ $redis = add $redis 1 }}{{ end -}}
{{- if ne (int $redis) 1 -}}
{{- fail "redis: set exactly one of redis.url, redis.existingSecret.name and redis.bundled.enabled" -}}
{{- end -}}
{{- if (.Values.config.redis | default dict).url -}}
{{- fail "config.redis.url: the chart sets it; use redis.url, redis.existingSecret.name or redis.bundled.enabled" -}}
{{- end -}}
{{- $elsewhere := or .Values.extraEnvFrom (contains "\"OTP_SECRET\"" (toJson .Values.extraEnv)) -}}
{{- if not (or .Values.secret.existing .Values.secret.values.OTP_SECRET $elsewhere) -}}
{{- if contains "\"env:OTP_SECRET\"" (toJson .Values.config.service) -}}
{{- fail "secret: name a Secret in secret.existing, give secret.values.OTP_SECRET (openssl rand -hex 32), or name a file in config.service.secret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.worker.enabled (not .Values.worker.replicaCount) -}}
{{- fail "worker.replicaCount: with no worker at all nothing follows the messages" -}}
{{- end -}}
{{- if not .Values.config.service.public_url }}{{ fail "config.service.public_url: say where callers reach the service" }}{{ end -}}
{{- range $section := list "gateways" "routes" "applications" -}}
{{- if not (index $.Values.config $section) }}{{ fail (printf "config.%s: at least one is needed" $section) }}{{ end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}{{ fail "ingress.host: the name is missing" }}{{ end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: name the gateway that the route belongs to" -}}
{{- end -}}
{{- if and .Values.ingress.internal.enabled (not .Values.ingress.internal.host) -}}
{{- fail "ingress.internal.host: the name is missing" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (or .Values.ingress.enabled .Values.ingress.internal.enabled) -}}
{{- fail "httpRoute: choose it or the Ingress, not both" -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling: minReplicas is above maxReplicas" -}}
{{- end -}}
{{- if and .Values.autoscaling.targetCPUUtilizationPercentage (not (.Values.resources.requests | default dict).cpu) -}}
{{- fail "autoscaling: a share of the CPU request is aimed at, so resources.requests.cpu is needed" -}}
{{- end -}}
{{- if not (or .Values.autoscaling.targetCPUUtilizationPercentage .Values.autoscaling.metrics) -}}
{{- fail "autoscaling: nothing is aimed at; set targetCPUUtilizationPercentage or metrics" -}}
{{- end -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add 15 (int .Values.config.service.stop_delay_seconds)) -}}
{{- fail "terminationGracePeriodSeconds: must be above config.service.stop_delay_seconds + 15, or requests are cut" -}}
{{- end -}}
{{- end -}}

{{/* The groups of files/alerts.yaml, asking for this release's series alone: by the namespace and the job that a
ServiceMonitor gives them. First the metrics that have a selector, then those that have none. The labels keep what fires
for one release apart from the same of another. */}}
{{- define "otp.alerts" -}}
{{- $name := include "otp.fullname" . -}}
{{- $mine := printf "namespace=\"%s\", job=~\"%s|%s-worker\"" .Release.Namespace $name $name -}}
{{- $metric := "((?:otp|process)_[a-z_]+|up)" -}}
{{- $groups := (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
{{- range $group := $groups -}}
{{- range $rule := $group.rules -}}
{{- $expr := regexReplaceAll (printf "\\b%s\\{" $metric) (printf "%s\n" $rule.expr) "${1}{@, " -}}
{{- $expr = regexReplaceAll (printf "\\b%s([^a-z_{=])" $metric) $expr "${1}{@}${2}" | replace "@" $mine -}}
{{- if $.Values.certificateProbe.enabled -}}
{{- $probe := printf "job=\"%s-certificates\", namespace=\"%s\"" $name $.Release.Namespace -}}
{{- $expr = replace "job=\"otp-certificates\"" $probe $expr -}}
{{- end -}}
{{- $_ := set $rule "expr" (trim $expr) -}}
{{- $_ := set $rule "labels" (merge $rule.labels (dict "namespace" $.Release.Namespace "release" $.Release.Name)) -}}
{{- with $.Values.prometheusRule.runbookBase -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" .) $rule.annotations.runbook_url) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
