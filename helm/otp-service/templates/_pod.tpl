{{/* The pod of a server or a worker. Call with (dict "root" . "component" … "args" … "resources" …). */}}
{{- define "otp.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "otp.selector" (list $root .component) | nindent 4 }}
    {{- with $root.Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ toToml $root.Values.config | sha256sum }}
    checksum/secret: {{ printf "%s%s" (toJson $root.Values.secret.values) $root.Values.redis.url | sha256sum }}
    {{- with $root.Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  # Kubernetes would set OTP_PORT=tcp://… for a Service named otp, and the service would not start.
  enableServiceLinks: false
  automountServiceAccountToken: false
  serviceAccountName: {{ include "otp.serviceAccountName" $root }}
  terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "otp.podSecurity" 10001 | nindent 4 }}
  containers:
    - name: otp-service
      image: {{ include "otp.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      {{- include "otp.container" $root | nindent 6 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      ports:
        - name: http
          containerPort: 8000
      # Until it has found Redis it does not listen. Only a process that does not answer is restarted; one that cannot
      # reach Redis is taken out.
      startupProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 2, failureThreshold: 30}
      livenessProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
      readinessProbe: {httpGet: {path: /health/ready, port: http}, periodSeconds: 3, timeoutSeconds: 2, failureThreshold: 2}
  volumes:
    - name: config
      configMap: {name: {{ include "otp.fullname" $root }}}
    - name: tmp
      emptyDir: {medium: Memory, sizeLimit: 64Mi}
    {{- with $root.Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  topologySpreadConstraints:
    {{- with $root.Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "otp.selector" (list $root $.component) | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
  {{- with index $root.Values $key }}
  {{ $key }}: {{ toJson . }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "otp.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "otp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every container of ours has, the tests' as well. */}}
{{- define "otp.container" -}}
securityContext:
  {{- include "otp.containerSecurity" . | nindent 2 }}
envFrom:
  - secretRef: {name: {{ include "otp.secretName" . }}}
env:
  - {name: OTP_CONFIG, value: /etc/otp-service/otp-service.toml}
  - {name: OTP_HOST, value: {{ .Values.listen | quote }}}
  - {name: OTP_PORT, value: "8000"}
  - {name: OTP_LOG_LEVEL, value: {{ .Values.logLevel }}}
  {{- if .Values.worker.enabled }}
  - {name: OTP__WORKER__IN_SERVE, value: "false"}
  {{- end }}
  {{- if .Values.redis.bundled.enabled }}
  {{- with .Values.redis.bundled.passwordKey }}
  - {name: VALKEY_PASSWORD, valueFrom: {secretKeyRef: {name: {{ include "otp.secretName" $ }}, key: {{ . }}}}}
  {{- end }}
  - name: OTP__REDIS__URL
    value: redis://{{ if .Values.redis.bundled.passwordKey }}:$(VALKEY_PASSWORD)@{{ end }}{{ include "otp.fullname" . }}-redis:6379/0
  {{- else }}
  - name: OTP__REDIS__URL
    valueFrom:
      secretKeyRef:
        {{- if .Values.redis.existingSecret.name }}
        {name: {{ .Values.redis.existingSecret.name }}, key: {{ .Values.redis.existingSecret.key }}}
        {{- else }}
        {name: {{ include "otp.fullname" . }}-redis, key: redis-url}
        {{- end }}
  {{- end }}
  {{- with .Values.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
volumeMounts:
  - {name: config, mountPath: /etc/otp-service, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}
